import { http, type Page } from '@/api/http'

export type Role = 'admin' | 'operator' | 'data_manager' | 'reviewer' | 'researcher' | 'reader'
export const ROLES: Role[] = ['admin', 'operator', 'data_manager', 'reviewer', 'researcher', 'reader']

export type Permission =
  | 'read_catalog'
  | 'download'
  | 'freeze'
  | 'import'
  | 'edit_catalog'
  | 'review'
  | 'configure'
  | 'administer'
  | 'servers'
  | 'statistics'
  | 'signed_in'
  | 'public'

export interface Me {
  name: string
  full_name: string
  role: Role
  identity_permission: boolean
  language: string
  email: string
  department: string
}

export interface Session {
  account: Me
  csrf_token: string
  permissions: Permission[]
}

export interface Token {
  id: number
  name: string
  prefix: string
  created_at?: string
  expires_at: string
  last_used_at?: string | null
  revoked_at?: string | null
}

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
