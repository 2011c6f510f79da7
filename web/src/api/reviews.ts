import { http, type Page } from '@/api/http'
import { Problem } from '@/api/problem'
import type { Narrowed } from '@/api/narrowed'
import type * as Api from '@/api/schema'

export const REVIEW_KINDS = ['label', 'link', 'disease', 'identifiers', 'pixels', 'resource', 'leak', 'duplicate', 'sequence'] as const
export type ReviewKind = (typeof REVIEW_KINDS)[number]

export type Choice = Api.Choice

export interface Evidence {
  section: string
  start: number
  end: number
  rule?: string
  /** malignant | benign | uncertain ..., as the rule means it. */
  meaning?: string
  /** negated | hedged | history ... */
  context?: string[]
  /** False for what was seen but did not decide. */
  used?: boolean
  /** The label it speaks for, where the page knows it. */
  value?: string
}

export interface ReportEvidence {
  key: string
  kind: 'imaging' | 'pathology'
  shifted_date: string | null
  sections: Record<string, string>
  evidence: Evidence[]
  value?: string | null
  reason?: string
}

export interface SeriesPicture {
  series_uid: string
  thumbnail: string | null
  preview?: string | null
  modality?: string
  description?: string
  sequence?: string
  frames?: number
  instance_count?: number
  frame_count?: number
  format?: string
}

export type Agreement = 'agree' | 'partial' | 'differ' | 'missing'

export interface LinkCandidate {
  report_key: string
  kind: 'imaging' | 'pathology'
  score: number
  shifted_date?: string | null
  /** From the examination to the report, by their real dates. */
  days?: number | null
  rule?: string
  fields: Record<string, { agreement: Agreement; weight: number }>
  sections: Record<string, string>
  /** Other examinations that may take this report, or hold it. */
  rivals?: Rival[]
}

export interface Rival {
  uid: string
  body_part: string | null
  sex: string | null
  age_years: number | null
  state: string
  images: SeriesPicture[]
}

export interface Proposal {
  scheme?: string
  value?: string | null
  /** What the rules lean to when they are not sure. */
  leaning?: string
  confidence?: number | null
  reason?: string
  detail?: string
  media_type?: string
  size_bytes?: number
  /** Address of the file itself, for what cannot be drawn. */
  file?: string
  case_key?: string
  reports?: ReportEvidence[]
  images?: SeriesPicture[]
  study?: { uid: string; modality?: string; body_part?: string; shifted_date?: string | null; sex?: string; age_years?: number | null; images?: SeriesPicture[] }
  candidates?: LinkCandidate[]
  /** Two studies that show the same pixels. */
  both?: { uid: string; hospital: string; body_part?: string; sex?: string; age_years?: number | null; images: SeriesPicture[] }[]
  shared?: number
  pictures?: number[]
  third?: { value: string; probability: number; effect: string }
  series_uid?: string
  facts?: Record<string, unknown>
}

export type Review = Narrowed<Api.ReviewView, { kind: ReviewKind; state: 'open' | 'decided' | 'closed'; proposal: Proposal }>

export type ReviewFilter = {
  kind?: string
  disease?: string
}

export type ReviewCounts = Api.ReviewCounts

const reviews = '/api/v1/reviews'

export const reviewsApi = {
  counts: () => http.get<ReviewCounts>(`${reviews}/counts`),
  list: (query: ReviewFilter & { state?: string; import?: string; limit?: number; cursor?: string | null }) => http.get<Page<Review>>(reviews, query),
  next: (filter: ReviewFilter) => http.post<Review | null>(`${reviews}/next`, filter),
  read: (key: string) => http.get<Review>(`${reviews}/${key}`),
  decide: (review: Review, value: string, note?: string) =>
    http.post<{ review: Review; next: Review | null }>(`${reviews}/${review.key}/decision`, { value, revision: review.revision, ...(note ? { note } : {}) }),
  undo: (key: string) => http.post<Review>(`${reviews}/${key}/undo`),
  release: (key: string) => http.post<unknown>(`${reviews}/${key}/release`),
  identity: (key: string) => http.get<Record<string, unknown>[]>(`${reviews}/${key}/identity`),
  reopen: (caseKey: string, scheme: string) => http.post<Review>(`/api/v1/cases/${caseKey}/labels/reopen`, { scheme }),
}

/** True for a decision that came too late: somebody else decided or holds the question. */
export const cameTooLate = (problem: Problem): boolean => problem.status === 409 || problem.status === 412
