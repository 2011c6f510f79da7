import { http, type Page } from '@/api/http'
import type { Narrowed } from '@/api/narrowed'
import type * as Api from '@/api/schema'

export interface VersionCounts {
  cases: number
  series: number
  files: number
  size_bytes: number
  by_label: Record<string, number>
  by_split: Record<string, number | Record<string, number>>
  left_out: Record<string, number>
}

export type DatasetVersion = Narrowed<Api.VersionOut, { counts: VersionCounts }> & { card?: Record<string, unknown> }

export type Dataset = Api.DatasetOut & { versions?: DatasetVersion[] }

/** What a dataset version is frozen from. */
export type FreezeRequest = Narrowed<Required<Omit<Api.FreezeIn, 'balance_parts'>>, { query: CaseQuery; label_states: string[] }>

export interface CaseQuery {
  terms: Record<string, string[]>
  ranges: Record<string, { gte?: number; lte?: number }>
  include_null?: boolean
}

export type Comparison = Api.Comparison

export type NewDataset = Required<Api.DatasetIn>

export type SplitPreview = Api.SplitPreview

const datasets = '/api/v1/datasets'
export const versionUrl = (name: string, number: number) => `${datasets}/${name}/versions/${number}`

export const datasetsApi = {
  list: (cursor: string | null = null) => http.get<Page<Dataset>>(datasets, { cursor, limit: 50 }),
  create: (asked: NewDataset) => http.post<Dataset>(datasets, asked),
  read: (name: string) => http.get<Dataset>(`${datasets}/${name}`),
  /** What each part would hold of each class if it were frozen now; nothing is kept. */
  splitPreview: (asked: FreezeRequest & { disease: string; scheme: string }) => http.post<SplitPreview>(`${datasets}/split-preview`, asked),
  freeze: (name: string, asked: FreezeRequest) => http.post<DatasetVersion>(`${datasets}/${name}/versions`, asked),
  /** Cases that came, went, or changed between two versions; at most 200 of each are named. */
  compare: (name: string, before: number, after: number) => http.get<Comparison>(`${datasets}/${name}/compare`, { before, after, limit: 200 }),
  version: (name: string, number: number) => http.get<DatasetVersion>(versionUrl(name, number)),
  card: async (name: string, number: number): Promise<string> => {
    const answer = await fetch(`${versionUrl(name, number)}/card`, { credentials: 'same-origin' })
    return answer.ok ? await answer.text() : ''
  },
}
