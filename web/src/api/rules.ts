import { http } from '@/api/http'
import type { Agreement } from '@/api/reviews'

export interface Threshold { confidence: number; decided: number; accepted: number; wrong: number; error_bound: number; basis: string }
export interface Scheme { code: string; number: number; title_en: string; title_zh: string; threshold: number; wanted_error: number | null; counts_from: number; found: Threshold | null }
export interface Version { version: number; number: number | null; sha256: string; created_at: string; in_use: boolean }
export interface ProposalLine { key: string; state: string; number: number; account: string; applied_by: string | null; done: number; total: number; failure: string; created_at: string; finished_at: string | null }
export interface Change { noun: string; id: string; change: string; added: string[]; removed: string[] }
export interface Clash { word: string; rules: string[]; meanings: string[]; general: boolean }
export interface Move { old: string; new: string; count: number }
export interface Rates { sure: number; coverage: number | null; right: number; wrong: number; review: number; accuracy: number | null }
export interface RuleLine { rule: string; meaning: string; reports: number; conflicts: number; decided: number; right: number; accuracy: number | null }
export interface Sentence { section: string; rule: string; meaning: string; text: string; sentence: string }
export interface Sample { case: string; report: string; kind: string; old: string; new: string; reason: string; sentences: Sentence[] }
export interface Proposal extends ProposalLine {
  text: string
  changes: Change[]
  conflicts: Clash[]
  outdated: boolean
  cases: number
  reports: number
  failed: number
  case_moves: Move[]
  report_moves: Move[]
  told_moves: Record<string, Move[]>
  old: Rates
  new: Rates
  decided: number
  reasons: Record<'old' | 'new', Record<string, number>>
  rules: RuleLine[]
  unused: string[]
  sample: Sample[]
}
export interface RuleSet { disease: string; title_en: string; title_zh: string; number: number; sha256: string; terms: number; words: number; cases: number; schemes: Scheme[]; versions: Version[]; proposals: ProposalLine[] }
export interface RuleCheck { number: number; terms: number; words: number; changes: Change[]; conflicts: Clash[] }

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
