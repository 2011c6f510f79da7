import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'
import { Niivue, SLICE_TYPE } from '@niivue/niivue'

/** A NIfTI volume in `canvas`, three planes and the whole, by NiiVue. The file is the one that was released; nothing is resampled before. */
export function useVolume(canvas: Ref<HTMLCanvasElement | undefined>, uid: string) {
  const failed = ref(false)
  const shown = ref(false)
  const place = ref('')
  const range = ref({ low: 0, high: 0 })
  let viewer: Niivue | null = null

  onMounted(async () => {
    try {
      const answer = await fetch(`/api/v1/series/${uid}/volume`)
      if (!answer.ok) throw new Error(String(answer.status))
      const zipped = answer.headers.get('content-type')?.startsWith('application/gzip')
      const bytes = await answer.arrayBuffer()
      if (!canvas.value) return
      viewer = new Niivue({ isColorbar: false, isRadiologicalConvention: true, show3Dcrosshair: true, backColor: [0, 0, 0, 1], crosshairColor: [0.31, 0.7, 0.76, 0.8], logLevel: 'error', dragAndDropEnabled: false })
      viewer.onLocationChange = (location) => (place.value = (location as { string?: string }).string ?? '')
      await viewer.attachToCanvas(canvas.value)
      await viewer.loadFromArrayBuffer(bytes, zipped ? 'volume.nii.gz' : 'volume.nii')
      viewer.setSliceType(SLICE_TYPE.MULTIPLANAR)
      const first = viewer.volumes[0]
      range.value = { low: first?.cal_min ?? 0, high: first?.cal_max ?? 0 }
      shown.value = true
    } catch {
      failed.value = true
    }
  })

  /** Grey from `low` (black) to `high` (white), in the volume's own units. */
  function setRange(low: number, high: number): void {
    const first = viewer?.volumes[0]
    if (!viewer || !first || !(low < high)) return
    first.cal_min = low
    first.cal_max = high
    range.value = { low, high }
    viewer.updateGLVolume()
  }
  const show = (what: 'MULTIPLANAR' | 'AXIAL' | 'CORONAL' | 'SAGITTAL' | 'RENDER'): void => void viewer?.setSliceType(SLICE_TYPE[what])

  onBeforeUnmount(() => viewer?.gl?.getExtension('WEBGL_lose_context')?.loseContext())
  return { failed, shown, place, range, setRange, show }
}
