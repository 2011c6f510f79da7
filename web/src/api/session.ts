import { http, type Page } from '@/api/http'
import type * as Api from '@/api/schema'

export type Role = Api.Role
export const ROLES: Role[] = ['admin', 'operator', 'data_manager', 'reviewer', 'researcher', 'reader']

export type Permission = Api.Permission

export type Me = Api.AccountView

export type Session = Api.SessionView

export type Token = Api.TokenView

export const sessionApi = {
  read: () => http.get<Session>('/api/v1/session'),
  signIn: (name: string, password: string) => http.post<Session>('/api/v1/session', { name, password }),
  signOut: () => http.delete<null>('/api/v1/session'),
  changeProfile: (change: Partial<Pick<Me, 'full_name' | 'email' | 'department' | 'language'>>) => http.patch<Me>('/api/v1/profile', change),
  changePassword: (current: string, next: string) => http.post<null>('/api/v1/profile/password', { current, new: next }),
  tokens: () => http.get<Page<Token>>('/api/v1/tokens'),
  addToken: (name: string, days: number) => http.post<Token & { token: string }>('/api/v1/tokens', { name, days }),
  revokeToken: (id: number) => http.delete<null>(`/api/v1/tokens/${id}`),
}
