import { onBeforeUnmount, onMounted, ref, shallowRef, watch, type Ref } from 'vue'
import { arm, core, GESTURES, loadSeries, MEASURES, rangeOf, toolGroup, tools, type Gesture, type LoadedSeries } from '@/dicom/engine'
import { isVolume } from '@/dicom/slices'

let made = 0

/** A series as a stack in `element`: Cornerstone3D over the viewer service's frames, decoded in the browser at full depth. */
export function useStack(element: Ref<HTMLDivElement | undefined>, studyUid: string, seriesUid: string, gesture: () => Gesture) {
  const name = `stack-${(made += 1)}`
  const loaded = shallowRef<LoadedSeries | null>(null)
  const failed = ref(false)
  const shown = ref(false)
  const image = ref(0)
  const window_ = ref({ center: 0, width: 0 })
  const playing = ref(false)
  const volume = ref(false)
  /** CSS transform that lays a picture of the image's own size over it as it is seen: zoom, pan, turns and flips included. */
  const laid = ref('')
  let engine: core.RenderingEngine | null = null
  let gone = false
  const group = (): tools.Types.IToolGroup => toolGroup(name, false)
  const viewport = (): core.StackViewport | null => (engine?.getViewport(name) as core.StackViewport | undefined) ?? null

  function read(): void {
    const range = viewport()?.getProperties().voiRange
    if (range) window_.value = { center: (range.upper + range.lower) / 2, width: range.upper - range.lower }
  }

  function lay(): void {
    const port = viewport()
    const seen = port?.getImageData()?.imageData
    const { indexToWorld, getDimensions } = seen ?? {}
    if (!port || !indexToWorld || !getDimensions) return
    const [columns, rows] = getDimensions() as [number, number, number]
    const at = (x: number, y: number): number[] => port.worldToCanvas(indexToWorld([x - 0.5, y - 0.5, 0]) as core.Types.Point3)
    const [x0 = 0, y0 = 0] = at(0, 0)
    const [x1 = 0, y1 = 0] = at(columns, 0)
    const [x2 = 0, y2 = 0] = at(0, rows)
    laid.value = `matrix(${[(x1 - x0) / columns, (y1 - y0) / columns, (x2 - x0) / rows, (y2 - y0) / rows, x0, y0].join(',')})`
  }

  async function open(): Promise<void> {
    if (!element.value) return
    try {
      const series = await loadSeries(studyUid, seriesUid)
      if (gone || !element.value) return
      engine = new core.RenderingEngine(name)
      engine.enableElement({ viewportId: name, element: element.value, type: core.Enums.ViewportType.STACK, defaultOptions: { background: [0, 0, 0] } })
      group().addViewport(name, name)
      arm(group(), gesture())
      const { Events } = core.Enums
      element.value.addEventListener(Events.STACK_NEW_IMAGE, () => { image.value = viewport()?.getCurrentImageIdIndex() ?? 0; shown.value = true; read() })
      element.value.addEventListener(Events.VOI_MODIFIED, read)
      element.value.addEventListener(Events.IMAGE_RENDERED, lay)
      element.value.addEventListener(Events.IMAGE_LOAD_ERROR, () => (failed.value = !shown.value))
      loaded.value = series
      volume.value = isVolume(series.instances)
      await viewport()?.setStack(series.imageIds, Math.floor((series.imageIds.length - 1) / 2))
      viewport()?.render()
    } catch {
      failed.value = !gone
    }
  }

  const act = (change: (port: core.StackViewport) => void): void => {
    const port = viewport()
    if (!port || !shown.value) return
    change(port)
    port.render()
    read()
  }
  const go = (index: number): void => {
    const last = (loaded.value?.imageIds.length ?? 1) - 1
    void viewport()?.setImageIdIndex(Math.min(last, Math.max(0, index)))
  }
  const setWindow = (center: number | null, width: number | null): void => act((port) => (center === null || width === null ? port.resetProperties() : port.setProperties({ voiRange: rangeOf(center, width) })))
  const invert = (): void => act((port) => port.setProperties({ invert: !port.getProperties().invert }))
  const flip = (way: 'flipHorizontal' | 'flipVertical'): void => act((port) => port.setCamera({ [way]: !port.getCamera()[way] }))
  const rotate = (): void => act((port) => port.setViewPresentation({ rotation: ((port.getViewPresentation().rotation ?? 0) + 90) % 360 }))
  const reset = (): void => act((port) => {
    port.resetProperties()
    port.resetCamera()
    // Only what was drawn on this series: others stand beside it.
    const mine = new Set(loaded.value?.imageIds)
    for (const one of tools.annotation.state.getAllAnnotations()) {
      if (one.annotationUID && MEASURES.some((name) => GESTURES[name] === one.metadata?.toolName) && mine.has(one.metadata?.referencedImageId ?? '')) tools.annotation.state.removeAnnotation(one.annotationUID)
    }
  })
  function play(): void {
    if (!element.value) return
    playing.value = !playing.value
    if (playing.value) tools.utilities.cine.playClip(element.value, { framesPerSecond: 12, loop: true })
    else tools.utilities.cine.stopClip(element.value)
  }

  const observer = new ResizeObserver(() => engine?.resize(true, false))
  onMounted(() => {
    void open()
    if (element.value) observer.observe(element.value)
  })
  watch(gesture, (wanted) => engine && arm(group(), wanted))
  onBeforeUnmount(() => {
    gone = true
    observer.disconnect()
    if (playing.value && element.value) tools.utilities.cine.stopClip(element.value)
    tools.ToolGroupManager.destroyToolGroup(name)
    engine?.destroy()
  })
  return { loaded, failed, shown, image, window: window_, playing, volume, laid, go, setWindow, invert, flip, rotate, reset, play }
}
