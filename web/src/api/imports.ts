import { http, toUrl, type Page } from '@/api/http'
import type { Narrowed } from '@/api/narrowed'
import type * as Api from '@/api/schema'

export const OUTCOMES = ['accepted', 'duplicate', 'other_resource', 'index_or_archive', 'empty', 'review', 'refused'] as const
export type Outcome = (typeof OUTCOMES)[number]
export type TableKind = 'imaging' | 'pathology' | 'labels' | 'image_list'
export const TABLE_KINDS: TableKind[] = ['imaging', 'pathology', 'labels', 'image_list']
export type ImportState = 'running' | 'paused' | 'cancelled' | 'failed' | 'finished' | 'withdrawn'

export type Stage = Api.StageProgress

export type OutcomeCounts = Partial<Record<Outcome | 'pending', number>>

export type Import = Narrowed<Api.ImportView, { state: ImportState; counts: { files: OutcomeCounts; rows: OutcomeCounts } }>

export type ImportItem = Narrowed<Api.ItemView, { kind: 'file' | 'row'; outcome: Outcome | null }>

export type Reason = Narrowed<Api.Reason, { outcome: Outcome }>

export type Entry = Api.Entry

export interface Place {
  root?: string
  path?: string
  upload?: string
}

export type TableRequest = Narrowed<Api.TableSource, { path?: string; root?: string; upload?: string; kind?: TableKind; mapping?: Record<string, string>; date_order?: DateOrder }>

export type DateOrder = 'ymd' | 'dmy' | 'mdy'
export const DATE_ORDERS: DateOrder[] = ['ymd', 'dmy', 'mdy']

export type MappingEntry = Api.Guess

export type TablePreview = Narrowed<Api.TablePreview, { kind: TableKind; date_order: DateOrder | '' }>

export type NewImport = Narrowed<Api.NewImport, { source: Api.Source; tables: TableRequest[] }>

export interface ItemFilter {
  outcome?: string
  kind?: string
  reason?: string
  identity?: boolean
}

const imports = '/api/v1/imports'

export const importsApi = {
  list: (query: { limit?: number; cursor?: string | null } = {}) => http.get<Page<Import>>(imports, query),
  read: (key: string) => http.get<Import>(`${imports}/${key}`),
  start: (asked: NewImport) => http.post<Import>(imports, asked),
  act: (key: string, verb: 'pause' | 'resume' | 'cancel' | 'withdraw') => http.post<Import>(`${imports}/${key}/${verb}`),
  reasons: (key: string) => http.get<Reason[]>(`${imports}/${key}/reasons`),
  items: (key: string, filter: ItemFilter, cursor: string | null = null, limit = 50) =>
    http.get<Page<ImportItem>>(`${imports}/${key}/items`, { ...filter, cursor, limit }),
  eventsUrl: (key: string) => `${imports}/${key}/events`,
  roots: () => http.get<{ roots: { name: string }[] }>(`${imports}/roots`),
  browse: (root: string, path: string) => http.get<{ entries: Entry[] }>(`${imports}/browse`, { root, path }),
  preview: (hospital: string, tables: TableRequest[]) => http.post<TablePreview[]>(`${imports}/preview`, { hospital, tables }),
  newUpload: () => http.post<{ key: string }>('/api/v1/uploads'),
  dropUpload: (key: string) => http.delete<null>(`/api/v1/uploads/${key}`),
  uploadUrl: (key: string, path: string) => toUrl(`/api/v1/uploads/${key}/files/${path.split('/').map(encodeURIComponent).join('/')}`),
}
