import type { Narrowed } from '@/api/narrowed'
import { currentCsrfToken, http } from '@/api/http'
import { problemOf } from '@/api/problem'
import type * as Api from '@/api/schema'

/** A disease as its TOML says it, with every field there. */
export type SchemeDraft = Required<Omit<Api.SchemeDocument, 'meaning'>> & { meaning: { zh: string; en: string } }
export type TermDraft = Required<Api.TermDocument>
export type CategoryDraft = Api.CategoryDocument
export type DiseaseDraft = Required<Omit<Api.DiseaseDocument, 'schemes' | 'terms' | 'categories'>> & { schemes: SchemeDraft[]; terms: TermDraft[]; categories: CategoryDraft[] }
export type DiseaseDetail = Narrowed<Api.DiseaseDetail, { definition: Api.DiseaseDocument }>

const diseases = '/api/v1/diseases'

export const diseasesApi = {
  read: (code: string) => http.get<DiseaseDetail>(`${diseases}/${code}`),
  add: (draft: DiseaseDraft) => http.post<DiseaseDetail>(diseases, draft),
  change: (draft: DiseaseDraft, revision: number) => http.patch<DiseaseDetail>(`${diseases}/${draft.code}`, draft, revision),
  /** It is listed no more; its cases stay. */
  retire: (code: string) => http.delete<null>(`${diseases}/${code}`),
  restore: (code: string) => http.post<DiseaseDetail>(`${diseases}/${code}/restore`),
  tomlUrl: (code: string) => `${diseases}/${code}/definition.toml`,
  /** A disease from its exchange form; `revision` when it is there already. */
  putToml: async (code: string, text: string, revision: number | undefined): Promise<DiseaseDetail> => {
    const headers: Record<string, string> = { 'Content-Type': 'application/toml', 'X-Isocenter-CSRF': currentCsrfToken() }
    if (revision !== undefined) headers['If-Match'] = `"${revision}"`
    const answer = await fetch(diseasesApi.tomlUrl(code), { method: 'PUT', headers, body: text, credentials: 'same-origin' })
    if (!answer.ok) throw await problemOf(answer)
    return (await answer.json()) as DiseaseDetail
  },
}

/** The code a TOML file is about: its first top-level `code = "..."`; '' when there is none. */
export const codeOfToml = (text: string): string => /^\s*code\s*=\s*["']([^"']+)["']/m.exec(text)?.[1] ?? ''
