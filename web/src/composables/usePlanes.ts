import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'
import { arm, core, loadSeries, rangeOf, toolGroup, tools } from '@/dicom/engine'

const PLANES = ['AXIAL', 'SAGITTAL', 'CORONAL'] as const
let made = 0

/** Three planes through a regular series (MPR), in the elements given for axial, sagittal and coronal; crosshairs tie them together. */
export function usePlanes(elements: Ref<(HTMLDivElement | null)[]>, studyUid: string, seriesUid: string) {
  const name = `planes-${(made += 1)}`
  const failed = ref(false)
  const shown = ref(false)
  let engine: core.RenderingEngine | null = null
  let gone = false
  const ids = PLANES.map((plane) => `${name}-${plane}`)
  const ports = (): core.VolumeViewport[] => ids.map((id) => engine?.getViewport(id) as core.VolumeViewport | undefined).filter((port): port is core.VolumeViewport => Boolean(port))

  const complete = (): void => void (shown.value = true)
  async function open(): Promise<void> {
    try {
      const series = await loadSeries(studyUid, seriesUid)
      if (gone) return
      engine = new core.RenderingEngine(name)
      engine.setViewports(
        PLANES.map((plane, n) => ({ viewportId: ids[n] as string, element: elements.value[n] as HTMLDivElement, type: core.Enums.ViewportType.ORTHOGRAPHIC, defaultOptions: { orientation: core.Enums.OrientationAxis[plane], background: [0, 0, 0] as [number, number, number] } })),
      )
      const volumeId = `cornerstoneStreamingImageVolume:${seriesUid}`
      const volume = await core.volumeLoader.createAndCacheVolume(volumeId, { imageIds: series.imageIds })
      core.eventTarget.addEventListener(core.Enums.Events.IMAGE_VOLUME_LOADING_COMPLETED, complete)
      ;(volume as core.StreamingImageVolume).load(() => undefined)
      await core.setVolumesForViewports(engine, [{ volumeId }], ids)
      const group = toolGroup(name, true)
      for (const id of ids) group.addViewport(id, name)
      arm(group, 'crosshairs')
      engine.renderViewports(ids)
      shown.value ||= (volume as core.StreamingImageVolume).loadStatus.loaded
    } catch {
      failed.value = !gone
    }
  }
  const setWindow = (center: number | null, width: number | null): void => {
    for (const port of ports()) {
      if (center === null || width === null) port.resetProperties()
      else port.setProperties({ voiRange: rangeOf(center, width) })
      port.render()
    }
  }
  const invert = (): void => {
    for (const port of ports()) {
      port.setProperties({ invert: !port.getProperties()?.invert })
      port.render()
    }
  }
  const observer = new ResizeObserver(() => engine?.resize(true, true))
  onMounted(() => {
    void open()
    for (const element of elements.value) if (element) observer.observe(element)
  })
  onBeforeUnmount(() => {
    gone = true
    observer.disconnect()
    core.eventTarget.removeEventListener(core.Enums.Events.IMAGE_VOLUME_LOADING_COMPLETED, complete)
    tools.ToolGroupManager.destroyToolGroup(name)
    engine?.destroy()
  })
  return { failed, shown, setWindow, invert }
}
