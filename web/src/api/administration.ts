import { http, type Page } from '@/api/http'
import type { AuditEvent } from '@/api/catalog'
import type * as Api from '@/api/schema'

export type Account = Api.AccountView

export type Project = Api.ProjectOut

export type NewAccount = Api.NewAccount

const projects = '/api/v1/projects'

export const administrationApi = {
  accounts: () => http.get<Page<Account>>('/api/v1/accounts', { limit: 500 }),
  addAccount: (asked: NewAccount) => http.post<Account & { password?: string }>('/api/v1/accounts', asked),
  changeAccount: (name: string, change: Partial<Account>, revision: number) => http.patch<Account>(`/api/v1/accounts/${name}`, change, revision),
  newPassword: (name: string) => http.post<{ password: string }>(`/api/v1/accounts/${name}/password`),
  projects: () => http.get<Page<Project>>(projects, { limit: 500 }),
  addProject: (code: string, title: string) => http.post<Project>(projects, { code, title }),
  setMember: (code: string, account: string, on: boolean) => change(`${projects}/${code}/members/${account}`, on),
  setGrant: (code: string, kind: 'diseases' | 'datasets', name: string, on: boolean) => change(`${projects}/${code}/grants/${kind}/${name}`, on),
  audit: (filter: { actor?: string; verb?: string; subject?: string }, cursor: string | null = null) =>
    http.get<Page<AuditEvent>>('/api/v1/audit', { ...filter, cursor, limit: 50 }),
}

function change(path: string, on: boolean): Promise<unknown> {
  return on ? http.put<unknown>(path) : http.delete<unknown>(path)
}
