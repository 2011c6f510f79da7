import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'
import type { Viewer } from 'openseadragon'

const REGION = /^#region=(\d+),(\d+),(\d+),(\d+)$/

/** A whole slide in `element`: deep zoom over the viewer service's tiles. OpenSeadragon is loaded when the first slide is opened. */
export function useSlide(element: Ref<HTMLElement | undefined>, uid: () => string, mpp: () => number | null, version: () => string | undefined = () => undefined) {
  const failed = ref(false)
  /** Length in micrometres of the scale bar, and its width in CSS pixels; 0 while unknown. */
  const scale = ref({ micrometres: 0, px: 0 })
  const magnification = ref(0)
  let viewer: Viewer | null = null

  function measure(): void {
    const perPixel = mpp()
    const image = viewer?.world.getItemAt(0)
    if (!viewer || !image || !perPixel) return
    const zoom = image.viewportToImageZoom(viewer.viewport.getZoom(true))
    const micrometresAPixel = perPixel / zoom
    const wanted = 120 * micrometresAPixel
    const power = 10 ** Math.floor(Math.log10(wanted))
    const micrometres = power * ([5, 2, 1].find((step) => step * power <= wanted) ?? 1)
    scale.value = { micrometres, px: micrometres / micrometresAPixel }
    // 40x is 0.25 micrometres a pixel, by convention
    magnification.value = 10 / micrometresAPixel
  }

  onMounted(async () => {
    const { default: OpenSeadragon } = await import('openseadragon')
    if (!element.value) return
    viewer = OpenSeadragon({
      element: element.value,
      // What follows the question mark goes on to every tile.
      tileSources: `/slides/${uid()}.dzi${version() ? `?v=${version()}` : ''}`,
      drawer: 'canvas',
      showNavigationControl: false,
      showNavigator: true,
      navigatorPosition: 'TOP_RIGHT',
      animationTime: 0.4,
      maxZoomPixelRatio: 2,
      visibilityRatio: 0.6,
    })
    viewer.addHandler('open', () => {
      const image = viewer?.world.getItemAt(0)
      const region = REGION.exec(location.hash)?.slice(1).map(Number)
      if (viewer && image && region) viewer.viewport.fitBounds(image.imageToViewportRectangle(region[0], region[1], region[2], region[3]), true)
      measure()
    })
    viewer.addHandler('animation', measure)
    viewer.addHandler('open-failed', () => (failed.value = true))
  })
  onBeforeUnmount(() => viewer?.destroy())

  const zoom = (factor: number): void => {
    viewer?.viewport.zoomBy(factor)
    viewer?.viewport.applyConstraints()
  }
  const home = (): void => void viewer?.viewport.goHome()

  /** To an objective's magnification (40 = 0.25 micrometres a pixel of the screen). */
  function magnify(power: number): void {
    const perPixel = mpp()
    const image = viewer?.world.getItemAt(0)
    if (!viewer || !image || !perPixel) return
    viewer.viewport.zoomTo(image.imageToViewportZoom((perPixel * power) / 10))
  }
  /** The part of the slide that is seen, x, y, width, height in pixels of its largest level, as the hash of an address that opens there. */
  function region(): string {
    const image = viewer?.world.getItemAt(0)
    if (!viewer || !image) return ''
    const seen = image.viewportToImageRectangle(viewer.viewport.getBounds(true))
    return `#region=${[seen.x, seen.y, seen.width, seen.height].map((value) => Math.max(0, Math.round(value))).join(',')}`
  }

  return { magnify, region, failed, scale, magnification, zoom, home }
}
