import type { HistoryEvent, Report } from '@/api/catalog'
import { currentCsrfToken, http, toUrl, type Page } from '@/api/http'
import { problemOf } from '@/api/problem'
import type { Narrowed } from '@/api/narrowed'
import type * as Api from '@/api/schema'

/** The lists of a disease beside its cases. `slides` are the series of pathology. */
export const PARTS = ['imaging', 'pathology', 'reports', 'files'] as const
export type Part = (typeof PARTS)[number]

export type SeriesRow = Api.SeriesRow

export type ReportRow = Narrowed<Api.ReportRow, { kind: Report['kind'] }>

export type FileRow = Api.ResourceRow

export type Row = { part: 'imaging' | 'pathology'; of: SeriesRow } | { part: 'reports'; of: ReportRow } | { part: 'files'; of: FileRow }

/** What names a row in its list. */
export const idOf = (row: Row): string => (row.part === 'reports' ? row.of.key : row.part === 'files' ? `${row.of.case}/${row.of.sha256}` : row.of.uid)
export const casesOf = (row: Row): string[] => (row.part === 'files' ? [row.of.case] : row.of.cases)

function address(row: Row, act = ''): string {
  if (row.part === 'files') return toUrl(`/api/v1/resources/${row.of.sha256}${act}`, { case: row.of.case })
  return row.part === 'reports' ? `/api/v1/reports/${row.of.key}${act}` : `/api/v1/series/${row.of.uid}${act}`
}

const LISTS: Record<Part, [string, Record<string, boolean>]> = {
  imaging: ['/api/v1/series', { slides: false }],
  pathology: ['/api/v1/series', { slides: true }],
  reports: ['/api/v1/reports', {}],
  files: ['/api/v1/resources', {}],
}

export const manageApi = {
  list: async (part: Part, disease: string, deleted: boolean, cursor: string | null): Promise<Page<Row>> => {
    const [path, query] = LISTS[part]
    const page = await http.get<Page<Row['of']>>(path, { disease, ...query, deleted, cursor, limit: 50 })
    return { next: page.next, items: page.items.map((of) => ({ part, of }) as Row) }
  },
  change: (row: Row, fields: Record<string, string>) => http.patch<unknown>(address(row), fields, row.of.revision),
  remove: (row: Row) => http.delete<null>(address(row), row.part === 'files' ? undefined : row.of.revision),
  restore: (row: Row) => http.post<unknown>(address(row, '/restore')),
  /** For good, bytes included; only what is deleted already. */
  purge: (row: Row) => http.post<Api.Purged>(address(row, '/purge')),
  release: (row: Row) => http.post<unknown>(address(row, '/release')),
  history: async (row: Row): Promise<HistoryEvent[]> => (await http.get<Page<HistoryEvent>>(address(row, '/history'))).items,
  sections: async (row: Row): Promise<Record<string, string>> => (row.part === 'reports' ? (await http.get<Pick<Report, 'sections'>>(address(row))).sections : {}),
  /** A file beside a case; it is held until a reviewer has released it. */
  add: async (caseKey: string, title: string, file: File): Promise<void> => {
    const answer = await fetch(toUrl('/api/v1/resources', { case: caseKey, title, media_type: file.type }), {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream', 'X-Isocenter-CSRF': currentCsrfToken() },
      body: file,
      credentials: 'same-origin',
    })
    if (!answer.ok) throw await problemOf(answer)
  },
  reportUrl: (disease: string, format: 'html' | 'xlsx', language: string) => toUrl(`/api/v1/diseases/${disease}/report`, { format, language }),
}
