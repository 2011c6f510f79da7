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
  overview: () => http.get<Overview>('/api/v1/statistics/overview'),
  servers: () => http.get<Servers>('/api/v1/servers'),
  alertEventsUrl: '/api/v1/alerts/events',
  alerts: () => http.get<Page<Alert>>('/api/v1/alerts', { limit: 20 }),
  acknowledge: (id: number) => http.post<unknown>(`/api/v1/alerts/${id}/acknowledge`),
  resolve: (id: number) => http.post<unknown>(`/api/v1/alerts/${id}/resolve`),
  silence: (alert: Alert, minutes: number) =>
    http.post<unknown>('/api/v1/silences', { matcher: { name: alert.name, ...(alert.labels?.host ? { host: alert.labels.host } : {}) }, minutes }),
}
