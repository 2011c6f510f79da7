import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'
import type { Viewer } from 'openseadragon'

/** A whole slide in `element`: deep zoom over the viewer service's tiles. OpenSeadragon is loaded when the first slide is opened. */
export function useSlide(element: Ref<HTMLElement | undefined>, uid: () => string, mpp: () => number | null) {
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
      tileSources: `/slides/${uid()}.dzi`,
      drawer: 'canvas',
      showNavigationControl: false,
      showNavigator: true,
      navigatorPosition: 'TOP_RIGHT',
      animationTime: 0.4,
      maxZoomPixelRatio: 2,
      visibilityRatio: 0.6,
    })
    viewer.addHandler('open', measure)
    viewer.addHandler('animation', measure)
    viewer.addHandler('open-failed', () => (failed.value = true))
  })
  onBeforeUnmount(() => viewer?.destroy())

  const zoom = (factor: number): void => {
    viewer?.viewport.zoomBy(factor)
    viewer?.viewport.applyConstraints()
  }
  const home = (): void => void viewer?.viewport.goHome()

  return { failed, scale, magnification, zoom, home }
}
