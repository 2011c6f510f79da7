import { computed, ref, watch, type Ref } from 'vue'
import { toUrl } from '@/api/http'

export interface WindowPreset {
  name: string
  /** Hounsfield units, null for what the file says. */
  center: number | null
  width: number | null
}

export const CT_PRESETS: WindowPreset[] = [
  { name: 'file', center: null, width: null },
  { name: 'abdomen', center: 40, width: 400 },
  { name: 'lung', center: -600, width: 1500 },
  { name: 'bone', center: 400, width: 1800 },
  { name: 'brain', center: 40, width: 80 },
]
const AHEAD = 3

/** Which rendered frame of a series is shown. Neighbours are fetched ahead, so that scrolling shows pictures at once. */
export function useFrames(uid: () => string, count: () => number, preset: Ref<WindowPreset>, version: () => string | undefined = () => undefined) {
  const frame = ref(Math.floor((count() - 1) / 2))
  const last = computed(() => Math.max(0, count() - 1))
  const failed = ref(false)

  function urlOf(index: number): string {
    const { center, width } = preset.value
    return toUrl(`/api/v1/series/${uid()}/preview`, { frame: index, window: center === null ? null : `${center},${width}`, v: version() })
  }
  const url = computed(() => urlOf(frame.value))

  function go(index: number): void {
    frame.value = Math.min(last.value, Math.max(0, index))
  }

  let wheel = 0
  function onWheel(event: WheelEvent): void {
    wheel += event.deltaY
    const steps = Math.trunc(wheel / 40)
    if (steps) {
      wheel -= steps * 40
      go(frame.value + steps)
    }
  }

  watch(
    url,
    () => {
      failed.value = false
      for (let step = 1; step <= AHEAD; step += 1) {
        for (const near of [frame.value + step, frame.value - step]) {
          if (near >= 0 && near <= last.value) new Image().src = urlOf(near)
        }
      }
    },
    { immediate: true },
  )

  return { frame, last, url, failed, go, onWheel }
}
