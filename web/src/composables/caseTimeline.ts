import type { Case } from '@/api/catalog'

export const LANES = ['images', 'imaging', 'pathology', 'labels', 'decisions'] as const
export type Lane = (typeof LANES)[number]

export interface Moment {
  lane: Lane
  /** ISO day or time. Days of examinations and reports are shifted, by the same number for the whole patient; those of labels are true. */
  at: string
  shifted: boolean
  /** What the page can name: series of the study, key of a report, value of a label. */
  study?: Case['studies'][number]
  report?: Case['reports'][number]
  label?: Case['labels'][number]
}

/** Everything of a case that has a day, in the order of days: first what happened to the patient, then what was said of it here. */
export function momentsOf(one: Case): Moment[] {
  const patient: Moment[] = [
    ...one.studies.flatMap((study): Moment[] => (study.shifted_date ? [{ lane: 'images', at: study.shifted_date, shifted: true, study }] : [])),
    ...one.reports.flatMap((report): Moment[] => (report.shifted_date ? [{ lane: report.kind, at: report.shifted_date, shifted: true, report }] : [])),
  ]
  const site = one.labels.map((label): Moment => ({ lane: label.source === 'reviewer' ? 'decisions' : 'labels', at: label.created_at, shifted: false, label }))
  const byDay = (a: Moment, b: Moment): number => a.at.localeCompare(b.at) || LANES.indexOf(a.lane) - LANES.indexOf(b.lane)
  return [...patient.sort(byDay), ...site.sort(byDay)]
}

const DAY_MS = 86_400_000

/** Whole days from the first moment of the patient; undefined for what happened here. */
export function daysSince(moments: readonly Moment[], one: Moment): number | undefined {
  const first = moments.find((other) => other.shifted)
  return first && one.shifted ? Math.round((Date.parse(one.at) - Date.parse(first.at)) / DAY_MS) : undefined
}
