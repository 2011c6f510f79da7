import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import { language } from '@/locales'

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** Bytes with a binary unit and at most one decimal: 1536 -> "1.5 KiB". */
export function formatBytes(bytes: number | null | undefined, tag: string): string {
  if (bytes === null || bytes === undefined) return '–'
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${new Intl.NumberFormat(tag, { maximumFractionDigits: value < 100 && unit > 0 ? 1 : 0 }).format(value)} ${UNITS[unit]}`
}

/** Numbers, sizes, times as the chosen language writes them. */
export function useFormat() {
  const { t } = useI18n()
  const tag = computed(() => (language.value === 'zh-CN' ? 'zh-CN' : 'en-GB'))
  const numbers = computed(() => new Intl.NumberFormat(tag.value, { maximumFractionDigits: 1 }))
  const percents = computed(() => new Intl.NumberFormat(tag.value, { style: 'percent', maximumFractionDigits: 0 }))
  const days = computed(() => new Intl.DateTimeFormat(tag.value, { year: 'numeric', month: 'short', day: 'numeric', timeZone: 'UTC' }))
  const times = computed(
    () => new Intl.DateTimeFormat(tag.value, { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' }),
  )

  const number = (value: number | null | undefined): string => (value === null || value === undefined ? '–' : numbers.value.format(value))
  const percent = (share: number | null | undefined): string => (share === null || share === undefined ? '–' : percents.value.format(share))
  const bytes = (value: number | null | undefined): string => formatBytes(value, tag.value)
  const day = (iso: string | null | undefined): string => {
    // reviews write days as DICOM does: 20230627
    const found = /^(\d{4})-?(\d{2})-?(\d{2})/.exec(iso ?? '')
    return found ? days.value.format(new Date(`${found[1]}-${found[2]}-${found[3]}T00:00:00Z`)) : '–'
  }
  const time = (iso: string | null | undefined): string => (iso ? times.value.format(new Date(iso)) : '–')
  const age = (years: number | null | undefined): string => (years === null || years === undefined ? '–' : t('unit.years', { n: number(Math.floor(years)) }))

  /** A span a person can read at a glance: "40 s", "3 min", "2 h 5 min". */
  function span(seconds: number | null | undefined): string {
    if (seconds === null || seconds === undefined) return '–'
    const whole = Math.max(0, Math.round(seconds))
    if (whole < 60) return t('unit.seconds', { n: whole })
    const minutes = Math.round(whole / 60)
    if (minutes < 60) return t('unit.minutes', { n: minutes })
    return t('unit.hoursMinutes', { h: Math.floor(minutes / 60), m: minutes % 60 })
  }

  return { number, percent, bytes, day, time, age, span }
}
