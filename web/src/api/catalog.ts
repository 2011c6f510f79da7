import { http, type Page, type Query } from '@/api/http'
import type { Evidence } from '@/api/reviews'

export interface LabelClass {
  code: string
  title_en: string
  title_zh: string
}

export interface Scheme {
  code: string
  number: number
  title_en: string
  title_zh: string
  meaning_en: string
  meaning_zh: string
  threshold: number
  classes: LabelClass[]
}

export interface Disease {
  code: string
  prefix: string
  title_en: string
  title_zh: string
  schemes: Scheme[]
  cases: number
  revision: number
}

export interface Hospital {
  code: string
  title: string
}

export interface CaseLabel {
  scheme: string
  value: string
  state: string
  source: string
  confidence: number | null
}

export interface CaseRow {
  key: string
  disease: string
  sex: string
  age_years: number | null
  label: CaseLabel | null
  modalities: string[]
  formats: string[]
  studies: number
  series: number
  reports: number
  thumbnail: string | null
  revision: number
  deleted?: boolean
}

export interface CaseFilter extends Record<string, string | undefined> {
  q?: string
  label?: string
  label_state?: string
  sex?: string
  age_gte?: string
  age_lte?: string
  modality?: string
  deleted?: string
}

export interface CaseCounts {
  cases: number
  series: number
  instances: number
  size_bytes: number
  by_label: Record<string, number>
  left_out_null?: number
}

export interface Series {
  uid: string
  format: string
  modality: string
  description: string
  sequence: string
  phase: string
  slice_thickness_mm: number | null
  spacing_mm: number[] | null
  rows: number
  columns: number
  instance_count: number
  frame_count: number
  manufacturer: string
  model_name: string
  size_bytes: number
  state: string
  thumbnail: string | null
  stacks?: { sequence: string; phase: string; doubt: string; instance_count: number }[]
  slide: { mpp: number | null; objective_power: number | null; width_px: number; height_px: number } | null
}

export interface Study {
  uid: string
  hospital?: string
  shifted_date: string | null
  age_years: number | null
  sex: string
  body_part: string
  description: string
  series: Series[]
  reports: string[]
}

export interface LabelEntry {
  scheme: string
  value: string
  source: string
  confidence: number | null
  state?: string
  decided_by?: string | null
  /** A reviewer's answer that was taken back. */
  undone?: boolean
  created_at: string
  evidence: Evidence[]
  report_key?: string | null
  rule_set?: string | number | null
  reason?: string
}

export interface Report {
  key: string
  kind: 'imaging' | 'pathology'
  shifted_date: string | null
  sections: Record<string, string>
  language: string
  links: { study_uid: string; score: number; state: string }[]
  labels: LabelEntry[]
}

export interface Resource {
  title: string
  media_type: string
  size_bytes: number
  state: string
  sha256: string
  url?: string
}

export interface AuditEvent {
  at: string
  actor: string
  verb: string
  subject?: string
  before?: Record<string, unknown> | null
  after?: Record<string, unknown> | null
}

export interface Case extends Omit<CaseRow, 'studies' | 'reports' | 'series'> {
  note?: string
  studies: Study[]
  reports: Report[]
  labels: LabelEntry[]
  resources: Resource[]
  filled: { name: string; value: string; source: string }[]
  history: AuditEvent[]
}

const cases = '/api/v1/cases'

export const catalogApi = {
  diseases: () => http.get<Page<Disease>>('/api/v1/diseases', { limit: 200 }),
  hospitals: () => http.get<Page<Hospital>>('/api/v1/hospitals', { limit: 200 }),
  addHospital: (code: string, title: string) => http.post<Hospital>('/api/v1/hospitals', { code, title }),
  cases: (disease: string, filter: CaseFilter, cursor: string | null = null, limit = 50) =>
    http.get<Page<CaseRow>>(cases, { disease, ...filter, cursor, limit }),
  count: (disease: string, filter: CaseFilter | Query) => http.get<CaseCounts>(`${cases}/count`, { disease, ...filter }),
  /** By a filter of the search language. */
  countOf: (query: unknown) => http.post<CaseCounts>(`${cases}/count`, { query }),
  case: (key: string) => http.get<Case>(`${cases}/${key}`),
  note: (key: string, note: string, revision: number) => http.patch<unknown>(`${cases}/${key}`, { note }, revision),
  remove: (key: string, revision: number) => http.delete<null>(`${cases}/${key}`, revision),
  restore: (key: string) => http.post<unknown>(`${cases}/${key}/restore`),
  resourceUrl: (sha256: string, caseKey: string) => `/api/v1/resources/${sha256}?case=${encodeURIComponent(caseKey)}`,
}
