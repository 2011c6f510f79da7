import { http, type Page } from '@/api/http'
import type { Narrowed } from '@/api/narrowed'
import type * as Api from '@/api/schema'

export type DiseaseOverview = Api.DiseaseNumbers

export type Overview = Api.Overview

export const MEASURES = ['patients', 'cases', 'studies', 'series', 'instances', 'size_bytes'] as const
export type Measure = (typeof MEASURES)[number]
export const DASHBOARDS = ['patient', 'disease', 'modality'] as const
export type DashboardName = (typeof DASHBOARDS)[number]

/** An ECharts dataset; a null number is hidden, because it is of fewer patients than the site shows. */
export type CountTable = Narrowed<Required<Api.Statistics>, { totals: Record<Measure, number | null> }>

export type CountChart = Narrowed<Api.Chart, { table: CountTable }>

export type CountDashboard = Narrowed<Required<Api.Dashboard>, { totals: Record<Measure, number | null>; charts: CountChart[] }>

export type Completeness = Api.Completeness

export type ExamTable = Api.Exams

/** What every question of the page is asked with. */
export type StatisticsQuery = { query?: string; version?: string; since?: string; until?: string }

/** Values by metric name with unit suffix (cpu_percent, memory_used_bytes ...), as the service sampled them. */
export type HostValues = Record<string, number | undefined>

export type Sample = Narrowed<Api.StatsSample, { values: HostValues }>

export type Host = Narrowed<Api.HostView, { latest: Sample; history: Sample[] }>

/** A service, or with the name isocenter the whole process. */
export type Service = Narrowed<Api.ServiceView, { latest: Sample; history: Sample[] }>

export type Servers = Narrowed<Api.Servers, { hosts: Host[]; services: Service[] }>

export type Alert = Api.AlertView

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
