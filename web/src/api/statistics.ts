import { http, type Page } from '@/api/http'
import type { Import } from '@/api/imports'

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
  reviews_open: number
  imports_recent: Partial<Import>[]
}

/** Values by metric name with unit suffix (cpu_percent, memory_used_bytes ...), as the service sampled them. */
export type HostValues = Record<string, number>

export interface Host {
  name?: string
  host?: string
  at?: string
  latest?: HostValues & { at?: string }
  values?: HostValues
  history?: (HostValues & { at?: string })[]
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
  value?: number | null
}

export const statisticsApi = {
  overview: () => http.get<Overview>('/api/v1/statistics/overview'),
  servers: () => http.get<{ hosts: Host[] } | Page<Host> | Host[]>('/api/v1/servers'),
  alerts: () => http.get<Page<Alert> | { alerts: Alert[] } | Alert[]>('/api/v1/alerts'),
  acknowledge: (id: number) => http.post<unknown>(`/api/v1/alerts/${id}/acknowledge`),
}
