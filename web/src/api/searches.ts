import type { CaseQuery } from '@/api/datasets'
import { http } from '@/api/http'
import type { Narrowed } from '@/api/narrowed'
import type * as Api from '@/api/schema'

export type SavedSearch = Narrowed<Api.SavedSearchOut, { query: Partial<CaseQuery> }>
export type TextHit = Api.TextHit
export type ReportHits = Narrowed<Api.ReportHits, { items: ReportHit[]; next: string | null }>
export type ReportHit = Narrowed<Api.ReportHit, { kind: 'imaging' | 'pathology' }>

const searches = '/api/v1/searches'

export const searchesApi = {
  /** The account's own, by name; nobody else sees them. */
  list: async () => (await http.get<{ items: SavedSearch[] }>(searches)).items,
  add: (name: string, query: CaseQuery) => http.post<SavedSearch>(searches, { name, query }),
  change: (id: number, name: string, query: Partial<CaseQuery>) => http.put<SavedSearch>(`${searches}/${id}`, { name, query }),
  remove: (id: number) => http.delete<null>(`${searches}/${id}`),
  /** Reports of a disease that hold a text, with the places. */
  text: (disease: string, text: string, cursor: string | null) => http.post<ReportHits>('/api/v1/reports/search', { text, query: { terms: { disease: [disease] } }, cursor, limit: 20 }),
}
