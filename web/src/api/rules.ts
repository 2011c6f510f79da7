import { http } from '@/api/http'
import type { Agreement } from '@/api/reviews'
import type { Narrowed } from '@/api/narrowed'
import type * as Api from '@/api/schema'

export type Threshold = Api.ThresholdView
export type Scheme = Api.SchemeView
export type Version = Api.Version
export type ProposalLine = Api.ProposalLine
export interface Change { noun: string; id: string; change: string; added: string[]; removed: string[] }
export interface Clash { word: string; rules: string[]; meanings: string[]; general: boolean }
export type Move = Api.Move
export type Rates = Api.Rates
export type RuleLine = Api.RuleLine
export interface Sentence { section: string; rule: string; meaning: string; text: string; sentence: string }
export type Sample = Narrowed<Api.Sample, { sentences: Sentence[] }>
export type Proposal = Narrowed<Api.Proposal, { changes: Change[]; conflicts: Clash[]; sample: Sample[]; reasons: Record<'old' | 'new', Record<string, number>> }>
export type RuleSet = Api.RuleSetView
export type RuleCheck = Narrowed<Api.RuleCheck, { changes: Change[]; conflicts: Clash[] }>

interface Policy { kind: string; version: string; sha256: string }
export interface Voice { value: string; source: string; confidence: number; reason: string; policy: Policy | null; said: { voice: string; value: string; probability: number; effect: string }[]; decided_by: string | null; created_at: string }
export interface ExplainedLink { study_uid: string; score: number; state: string; source: string; components: { rule?: string; fields?: Record<string, { agreement: Agreement; weight: number }> }; policy: Policy | null; decided_by: string | null }
export interface ExplainedReport { key: string; kind: string; shifted_date: string | null; rows: { import: string; table: string; row: number | null }[]; links: ExplainedLink[]; label: Voice | null; sentences: (Sentence & { used?: boolean; context?: string[] })[] }
export interface Explained { case: string; disease: string; scheme: string; value: string; state: string; label: Voice; voices: Voice[]; decisions: { review: string; asked: string; account: string; value: string; created_at: string; undone: boolean }[]; reports: ExplainedReport[] }

export interface Agreed { count: number; agreed: number; kappa: number | null; cannot_tell: number; by_class: Record<string, { first: number; second: number; kappa: number | null }>; table: { first: string; second: string; count: number }[] }

const rules = '/api/v1/rules'

export const rulesApi = {
  all: () => http.get<RuleSet[]>(rules),
  text: (disease: string, version = 0) => http.get<string>(`${rules}/${disease}/text`, { version }),
  check: (disease: string, text: string) => http.post<RuleCheck>(`${rules}/${disease}/check`, { text }),
  propose: (disease: string, text: string) => http.post<Proposal>(`${rules}/${disease}/proposals`, { text }),
  proposal: (disease: string, key: string) => http.get<Proposal>(`${rules}/${disease}/proposals/${key}`),
  apply: (disease: string, key: string) => http.post<Proposal>(`${rules}/${disease}/proposals/${key}/apply`),
  drop: (disease: string, key: string) => http.delete<null>(`${rules}/${disease}/proposals/${key}`),
  want: (disease: string, scheme: string, wanted_error: number | null) => http.put<Scheme>(`${rules}/${disease}/schemes/${scheme}/wanted-error`, { wanted_error }),
  explain: (caseKey: string, scheme: string) => http.get<Explained>(`/api/v1/cases/${caseKey}/labels/explain`, { scheme }),
  agreement: (disease: string) => http.get<{ readers: Agreed; reader_against_rule: Agreed }>('/api/v1/reviews/agreement', { disease }),
  link: (study_uid: string, report_key: string, linked: boolean) => http.post<unknown>('/api/v1/links', { study_uid, report_key, linked }),
}
