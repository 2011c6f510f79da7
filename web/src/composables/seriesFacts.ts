import type { Series } from '@/api/catalog'

/** What a person calls a series: its sequence or phase, else its description. */
export const seriesName = (series: Series, code: (set: string, value: string) => string): string =>
  series.sequence || series.description || code('modality', series.modality) || series.format

/** How many pictures can be shown one after the other. */
export const frameCount = (series: Pick<Series, 'frame_count' | 'instance_count'>): number => Math.max(1, series.frame_count || series.instance_count || 1)
