import { http, type Page, type Query } from '@/api/http'
import type { Evidence } from '@/api/reviews'
import type { Narrowed } from '@/api/narrowed'
import type * as Api from '@/api/schema'

export type LabelClass = Api.LabelClassOut

export type Scheme = Api.LabelSchemeOut

export type Disease = Api.DiseaseOut

export type Hospital = Api.HospitalOut

export type CaseLabel = Api.CurrentLabel

export type CaseRow = Api.CaseOut

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

export type CaseCounts = Api.CaseCount

export type Series = Api.SeriesOut

export type Study = Api.StudyOut

export type LabelEntry = Narrowed<Api.LabelOut, { evidence: Evidence[] }>

export type Report = Narrowed<Api.ReportOut, { kind: 'imaging' | 'pathology'; sections: Record<string, string>; labels: LabelEntry[] }>

export type Resource = Api.ResourceOut

/** One step of a thing's history. */
export type HistoryEvent = Api.HistoryOut
/** One event of the audit log. */
export type AuditEvent = Api.AuditView

export type Facet = Api.AttributeValues
export type Case = Narrowed<Api.CaseDetail, { reports: Report[]; labels: LabelEntry[] }>

const cases = '/api/v1/cases'

export const catalogApi = {
  diseases: () => http.get<Page<Disease>>('/api/v1/diseases', { limit: 200 }),
  hospitals: () => http.get<Page<Hospital>>('/api/v1/hospitals', { limit: 200 }),
  addHospital: (code: string, title: string) => http.post<Hospital>('/api/v1/hospitals', { code, title }),
  cases: (disease: string, filter: CaseFilter, cursor: string | null = null, limit = 50) =>
    http.get<Page<CaseRow>>(cases, { disease, ...filter, cursor, limit }),
  count: (disease: string, filter: CaseFilter | Query) => http.get<CaseCounts>(`${cases}/count`, { disease, ...filter }),
  /** Cases that meet a filter of the search language. */
  search: (query: unknown, cursor: string | null = null, limit = 50) => http.post<Page<CaseRow>>(`${cases}/search`, { query, cursor, limit }),
  /** What one finds when one value of an attribute is asked for and the rest of the filter stays. */
  facets: async (query: unknown, names: string[]) => (await http.post<Api.Facets>(`${cases}/facets`, { query, names })).facets,
  /** One change of many cases: all or none. */
  bulk: (action: 'delete' | 'restore' | 'note', keys: string[], note?: string) => http.post<Api.BulkDone>(`${cases}/bulk`, { action, keys, ...(note === undefined ? {} : { note }) }),
  purge: (key: string) => http.post<Api.Purged>(`${cases}/${key}/purge`),
  /** By a filter of the search language. */
  countOf: (query: unknown) => http.post<CaseCounts>(`${cases}/count`, { query }),
  case: (key: string) => http.get<Case>(`${cases}/${key}`),
  note: (key: string, note: string, revision: number) => http.patch<unknown>(`${cases}/${key}`, { note }, revision),
  remove: (key: string, revision: number) => http.delete<null>(`${cases}/${key}`, revision),
  restore: (key: string) => http.post<unknown>(`${cases}/${key}/restore`),
  resourceUrl: (sha256: string, caseKey: string) => `/api/v1/resources/${sha256}?case=${encodeURIComponent(caseKey)}`,
}
