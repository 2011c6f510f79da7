import { computed, onMounted, reactive, shallowRef, type Ref } from 'vue'
import { http, type Page, toUrl } from '@/api/http'
import { word, type DicomJson } from '@/dicom/slices'

export interface Segment {
  number: number
  label: string
  colour: string
}

/** A segmentation or structure set over a series. `frames`: where it has something, counted from 0 over all instances; empty = not told. */
export interface Overlay {
  key: string
  kind: string
  held: boolean
  segments: Segment[]
  frames: number[]
}

interface InstanceFrames {
  sop_uid: string
  frames: number
}

/** The first frame of each instance, counted from 0 over all instances in the service's order. */
export function firstFrames(instances: InstanceFrames[]): Map<string, number> {
  const found = new Map<string, number>()
  let first = 0
  for (const one of instances) {
    found.set(one.sop_uid, first)
    first += Math.max(1, one.frames)
  }
  return found
}

/** Overlays of a series, which of their segments are shown, and the pictures for the image on the screen. */
export function useOverlays(seriesUid: string, image: Ref<{ instance: DicomJson; frame: number } | undefined>) {
  const overlays = shallowRef<Overlay[]>([])
  const places = shallowRef(new Map<string, number>())
  /** Segment numbers that are ticked, by overlay. */
  const ticked = reactive<Record<string, number[]>>({})

  async function load(): Promise<void> {
    try {
      const told = (await http.get<{ overlays: Overlay[] }>(`/api/v1/series/${seriesUid}/overlays`)).overlays
      if (!told.length) return
      const instances: InstanceFrames[] = []
      for (let cursor: string | null = null, first = true; first || cursor; first = false) {
        const page: Page<InstanceFrames> = await http.get<Page<InstanceFrames>>(`/api/v1/series/${seriesUid}/instances`, { limit: 500, cursor })
        instances.push(...page.items)
        cursor = page.next
      }
      for (const one of told) ticked[one.key] = one.segments.map(({ number }) => number)
      places.value = firstFrames(instances)
      overlays.value = told
    } catch {
      // images are looked at without overlays
      overlays.value = []
    }
  }

  const pictures = computed(() => {
    const now = image.value
    const first = now && places.value.get(word(now.instance, '00080018'))
    if (!now || first === undefined) return []
    const frame = first + now.frame - 1
    return overlays.value
      .filter(({ key, frames }) => ticked[key]?.length && (!frames.length || frames.includes(frame)))
      .map(({ key }) => toUrl(`/api/v1/series/${seriesUid}/overlays/${key}/${frame}`, { segments: [...(ticked[key] ?? [])].sort((a, b) => a - b).join(',') }))
  })

  onMounted(load)
  return { overlays, ticked, pictures }
}
