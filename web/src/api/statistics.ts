import { http, type Page } from '@/api/http'

export interface DiseaseOverview {
  code: string
  title_en: string
  title_zh: string
  patients: number
  cases: number
  labelled: number
  review: number
  series: number
  size_bytes: number
}

export interface Overview {
  diseases: DiseaseOverview[]
  totals: Record<string, number>
  reviews_open: number
}

export const MEASURES = ['patients', 'cases', 'studies', 'series', 'instances', 'size_bytes'] as const
export type Measure = (typeof MEASURES)[number]
export const DASHBOARDS = ['patient', 'disease', 'modality'] as const
export type DashboardName = (typeof DASHBOARDS)[number]

/** An ECharts dataset; a null number is hidden, because it is of fewer patients than the site shows. */
export interface CountTable {
  dimensions: string[]
  source: (string | number | null)[][]
  totals: Record<Measure, number | null>
  shares: (number | null)[]
  truncated: boolean
  hidden: number
  counted_at: string
  stale: boolean
}

export interface CountChart {
  name: string
  by: string
  cross: string
  /** For each dimension its name in the search language, '' where its values are none of that. */
  attributes: string[]
  table: CountTable
}

export interface CountDashboard {
  by: string
  totals: Record<Measure, number | null>
  charts: CountChart[]
  counted_at: string
  stale: boolean
}

export interface Completeness {
  attributes: { name: string; of: 'case' | 'series'; have: number | null; among: number | null }[]
}

export interface ExamTable {
  dimensions: string[]
  source: (string | number | null)[][]
}

/** What every question of the page is asked with. */
export type StatisticsQuery = { query?: string; version?: string; since?: string; until?: string }

/** Values by metric name with unit suffix (cpu_percent, memory_used_bytes ...), as the service sampled them. */
export type HostValues = Record<string, number | undefined>

export interface Sample {
  at: string
  values: HostValues
}

export interface Host {
  host: string
  latest: Sample
  /** The last sample is older than half a minute. */
  stale: boolean
  history: Sample[]
}

/** A service, or with the name isocenter the whole process. */
export interface Service {
  service: string
  latest: Sample
  stale: boolean
  history: Sample[]
}

export interface Servers {
  hosts: Host[]
  services: Service[]
  source: 'sampler' | 'prometheus'
}

export interface Alert {
  id: number
  name: string
  severity: string
  summary: string
  started_at: string
  ended_at: string | null
  acknowledged_by: string | null
  acknowledged_at: string | null
  silenced_until?: string | null
  resolved_by?: string | null
  labels?: Record<string, string>
  value?: number | null
}

export const statisticsApi = {
  dashboard: (by: string, asked: StatisticsQuery) => http.get<CountDashboard>('/api/v1/statistics/dashboard', { by, ...asked }),
  completeness: (asked: StatisticsQuery) => http.get<Completeness>('/api/v1/statistics/completeness', asked),
  exams: (by: string, cross: string) => http.get<ExamTable>('/api/v1/statistics/exams', { by, cross }),
  overview: () => http.get<Overview>('/api/v1/statistics/overview'),
  servers: () => http.get<Servers>('/api/v1/servers'),
  alertEventsUrl: '/api/v1/alerts/events',
  alerts: () => http.get<Page<Alert>>('/api/v1/alerts', { limit: 20 }),
  acknowledge: (id: number) => http.post<unknown>(`/api/v1/alerts/${id}/acknowledge`),
  resolve: (id: number) => http.post<unknown>(`/api/v1/alerts/${id}/resolve`),
  silence: (alert: Alert, minutes: number) =>
    http.post<unknown>('/api/v1/silences', { matcher: { name: alert.name, ...(alert.labels?.host ? { host: alert.labels.host } : {}) }, minutes }),
}
