import type { CountTable, Measure } from '@/api/statistics'

/** Okabe and Ito's colours, told apart with every kind of colour vision; neighbours differ in lightness as well. */
export const PALETTE = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8c6d1f', '#5d6b78', '#b3a700', '#1b3a57']
const INK = '#44525f'
const LINE = '#e1e6eb'
const DATED = ['import_day', 'import_month', 'day', 'month']
const ORDERED = ['age_band', 'thickness', 'label_state', ...DATED]
export const GROUPS_SHOWN = 15
const SERIES_SHOWN = 8

export interface Shown {
  by: string
  cross: string
  /** Values of the first dimension from top to bottom (dated: from left to right). */
  groups: string[]
  parts: string[]
  cells: Map<string, number | null>
  /** How many groups there are, of which `groups` are the largest. */
  total: number
}

const key = (group: string, part: string): string => `${group}\u0000${part}`

/** A table of counts of one measure, cut to what a chart can show: the largest groups, or the newest days. */
export function shownOf(table: CountTable, by: string, cross: string, measure: Measure | 'studies'): Shown {
  const place = table.dimensions.indexOf(measure)
  const cells = new Map<string, number | null>()
  const sums = new Map<string, number>()
  const ofParts = new Map<string, number>()
  for (const row of table.source) {
    const [group, part] = [String(row[0]), cross ? String(row[1]) : '']
    const value = row[place] as number | null
    cells.set(key(group, part), value)
    sums.set(group, (sums.get(group) ?? 0) + (value ?? 0))
    ofParts.set(part, (ofParts.get(part) ?? 0) + (value ?? 0))
  }
  let groups = [...sums.keys()]
  if (!ORDERED.includes(by)) groups.sort((a, b) => (sums.get(b) ?? 0) - (sums.get(a) ?? 0))
  const total = groups.length
  groups = DATED.includes(by) ? groups.filter((one) => one).slice(-400) : groups.slice(0, GROUPS_SHOWN)
  const parts = [...ofParts.keys()].sort((a, b) => (ORDERED.includes(cross) ? 0 : (ofParts.get(b) ?? 0) - (ofParts.get(a) ?? 0))).slice(0, SERIES_SHOWN)
  return { by, cross, groups, parts, cells, total }
}

interface Words {
  name: (dimension: string, value: string) => string
  number: (value: number | null | undefined) => string
  kept: (dimension: string, value: string) => boolean
}

/** The ECharts option: bars lying down, stacked where two dimensions are crossed; days and months as a line from left to right. */
export function optionOf(shown: Shown, measureName: string, words: Words, motion: boolean): Record<string, unknown> {
  const dated = DATED.includes(shown.by)
  const names = shown.groups.map((one) => words.name(shown.by, one))
  const anyKept = shown.groups.some((one) => words.kept(shown.by, one))
  const category = {
    type: 'category', data: names, inverse: !dated, axisTick: { show: false }, axisLine: { lineStyle: { color: LINE } },
    axisLabel: { color: INK, width: dated ? undefined : 130, overflow: 'truncate', hideOverlap: true },
  }
  const value = { type: 'value', minInterval: 1, splitNumber: 3, splitLine: { lineStyle: { color: LINE } }, axisLabel: { color: INK, hideOverlap: true, formatter: (one: number) => words.number(one) } }
  const series = shown.parts.map((part, number) => ({
    name: shown.cross ? words.name(shown.cross, part) : measureName,
    type: dated && !shown.cross && shown.groups.length > 6 ? 'line' : 'bar',
    stack: 'all', barMaxWidth: 22, showSymbol: shown.groups.length < 60,
    itemStyle: { color: PALETTE[number % PALETTE.length] },
    data: shown.groups.map((group) => ({
      value: shown.cells.get(key(group, part)) ?? 0,
      itemStyle: { opacity: anyKept && !words.kept(shown.by, group) ? 0.35 : 1 },
    })),
  }))
  return {
    animation: motion, animationDuration: 250, color: PALETTE,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 8, right: 22, top: shown.cross ? 34 : 8, bottom: 4, containLabel: true },
    // drawn on the canvas: names come from files and are never HTML
    tooltip: { trigger: 'axis', renderMode: 'richText', confine: true, axisPointer: { type: 'shadow' }, valueFormatter: (one: unknown) => words.number(one as number) },
    legend: shown.cross ? { type: 'scroll', top: 0, left: 0, icon: 'roundRect', itemWidth: 12, itemHeight: 10, textStyle: { color: INK } } : undefined,
    xAxis: dated ? category : value,
    yAxis: dated ? value : category,
    series,
    aria: { enabled: true },
  }
}

/** What was clicked: the group, and the part where two dimensions are crossed. */
export function clickedOf(shown: Shown, dataIndex: number, seriesIndex: number): { dimension: string; value: string }[] {
  const found = [{ dimension: shown.by, value: shown.groups[dataIndex] }]
  if (shown.cross) found.push({ dimension: shown.cross, value: shown.parts[seriesIndex] })
  return found
}
