import { http, toUrl, type Page } from '@/api/http'

export const OUTCOMES = ['accepted', 'duplicate', 'other_resource', 'index_or_archive', 'empty', 'review', 'refused'] as const
export type Outcome = (typeof OUTCOMES)[number]
export type TableKind = 'imaging' | 'pathology' | 'labels' | 'image_list'
export const TABLE_KINDS: TableKind[] = ['imaging', 'pathology', 'labels', 'image_list']
export type ImportState = 'running' | 'paused' | 'cancelled' | 'failed' | 'finished' | 'withdrawn'

export interface Stage {
  name: string
  state: 'waiting' | 'running' | 'done'
  done: number
  total: number
  rate_per_s: number | null
}

export type OutcomeCounts = Partial<Record<Outcome | 'pending', number>>

export interface Import {
  key: string
  hospital: string
  account: string
  source_kind?: string
  state: ImportState
  stage: string
  created_at: string
  finished_at: string | null
  failure: string
  /** Empty when decided per study. */
  diseases: string[]
  stages: Stage[]
  eta_seconds: number | null
  counts: { files: OutcomeCounts; rows: OutcomeCounts }
  links: Record<string, number>
  labels: Record<string, number>
  held: number
  totals?: Record<string, number>
  sums_ok: boolean
  reviews_open: number
}

export interface ImportItem {
  ordinal: number
  kind: 'file' | 'row'
  origin: string
  row_number: number | null
  extension: string
  size_bytes: number
  outcome: Outcome | null
  reason: string
  detail: string
  link_state: string
  label_state: string
  study_uid?: string | null
  series_uid?: string | null
  report_key?: string | null
  case_key?: string | null
  path?: string | null
}

export interface Reason {
  kind: string
  outcome: Outcome
  reason: string
  count: number
}

export interface Entry {
  name: string
  kind: 'folder' | 'file'
  size_bytes: number | null
}

export interface Place {
  root?: string
  path?: string
  upload?: string
}

export interface TableRequest extends Place {
  kind?: TableKind
  mapping?: Record<string, string>
  date_order?: DateOrder
}

export type DateOrder = 'ymd' | 'dmy' | 'mdy'
export const DATE_ORDERS: DateOrder[] = ['ymd', 'dmy', 'mdy']

export interface MappingEntry {
  column: string
  confidence: number
  why?: string
}

export interface TablePreview {
  kind: TableKind
  columns: string[]
  sample_rows: string[][]
  mapping: Record<string, MappingEntry>
  /** The nouns a column of this kind of table may be. */
  nouns: string[]
  missing: string[]
  rows: number
  date_order: DateOrder | ''
  notes: string[]
  /** The mapping is what a person confirmed for this hospital and header before. */
  remembered: boolean
}

export interface NewImport {
  hospital: string
  source: { kind: 'folder'; root: string; path: string } | { kind: 'upload'; upload: string } | { kind: 'none' }
  tables: TableRequest[]
  diseases: string[] | 'auto'
  schemes?: Record<string, string>
}

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
