import { http, type Page } from '@/api/http'

export interface VersionCounts {
  cases: number
  series: number
  files: number
  size_bytes: number
  by_label: Record<string, number>
  by_split: Record<string, number | Record<string, number>>
  left_out: Record<string, number>
}

export interface DatasetVersion {
  name: string
  number: number
  reference: string
  digest: string
  counts: VersionCounts
  created_at: string
  created_by: string
  withdrawn_at?: string | null
  card?: Record<string, unknown>
  query?: Record<string, unknown>
  recipe?: Record<string, unknown>
  policies?: Record<string, unknown>
}

export interface Dataset {
  name: string
  title: string
  description: string
  disease: string
  scheme: string
  licence: string
  created_by?: string
  created_at?: string
  versions?: DatasetVersion[]
  latest?: number | null
}

export interface FreezeRequest {
  query: { terms: Record<string, string[]>; ranges: Record<string, { gte?: number; lte?: number }>; include_null?: boolean }
  label_states: string[]
  split: Record<string, number> | null
  seed: number
  balance: 'under' | 'over' | 'weights' | null
  folds: number | null
}

export interface Comparison {
  before: string
  after: string
  counts: Record<string, number>
  added: string[]
  removed: string[]
  relabelled: { case_id: string; before: Record<string, unknown>; after: Record<string, unknown> }[]
  moved: { case_id: string; before: Record<string, unknown>; after: Record<string, unknown> }[]
  other_files: string[]
}

export interface NewDataset {
  name: string
  title: string
  description: string
  disease: string
  scheme: string
  licence: string
}

const datasets = '/api/v1/datasets'
export const versionUrl = (name: string, number: number) => `${datasets}/${name}/versions/${number}`

export const datasetsApi = {
  list: (cursor: string | null = null) => http.get<Page<Dataset>>(datasets, { cursor, limit: 50 }),
  create: (asked: NewDataset) => http.post<Dataset>(datasets, asked),
  read: (name: string) => http.get<Dataset>(`${datasets}/${name}`),
  freeze: (name: string, asked: FreezeRequest) => http.post<DatasetVersion>(`${datasets}/${name}/versions`, asked),
  /** Cases that came, went, or changed between two versions; at most 200 of each are named. */
  compare: (name: string, before: number, after: number) => http.get<Comparison>(`${datasets}/${name}/compare`, { before, after, limit: 200 }),
  version: (name: string, number: number) => http.get<DatasetVersion>(versionUrl(name, number)),
  card: async (name: string, number: number): Promise<string> => {
    const answer = await fetch(`${versionUrl(name, number)}/card`, { credentials: 'same-origin' })
    return answer.ok ? await answer.text() : ''
  },
}
