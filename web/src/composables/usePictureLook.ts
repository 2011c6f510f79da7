import { computed, ref } from 'vue'

const MOST = 16

/** How a flat picture is looked at: zoom, place, brightness, contrast, inverted; as the style of its element. */
export function usePictureLook() {
  const zoom = ref(1)
  const place = ref({ x: 0, y: 0 })
  const brightness = ref(100)
  const contrast = ref(100)
  const inverted = ref(false)
  const changed = computed(() => zoom.value !== 1 || brightness.value !== 100 || contrast.value !== 100 || inverted.value)
  const style = computed(() => ({
    transform: `translate(${place.value.x}px, ${place.value.y}px) scale(${zoom.value})`,
    filter: [brightness.value !== 100 && `brightness(${brightness.value}%)`, contrast.value !== 100 && `contrast(${contrast.value}%)`, inverted.value && 'invert(1)'].filter(Boolean).join(' ') || undefined,
  }))

  function zoomBy(factor: number): void {
    const wanted = Math.min(MOST, Math.max(1, zoom.value * factor))
    const by = wanted / zoom.value
    zoom.value = wanted
    place.value = wanted === 1 ? { x: 0, y: 0 } : { x: place.value.x * by, y: place.value.y * by }
  }
  function reset(): void {
    zoom.value = 1
    place.value = { x: 0, y: 0 }
    brightness.value = 100
    contrast.value = 100
    inverted.value = false
  }

  /** Fingers and buttons that are down, by pointer id, where they were last. Two fingers zoom, one moves. */
  const down = new Map<number, { x: number; y: number }>()
  function onDown(event: PointerEvent): void {
    ;(event.currentTarget as HTMLElement).setPointerCapture(event.pointerId)
    down.set(event.pointerId, { x: event.clientX, y: event.clientY })
  }
  function onMove(event: PointerEvent): void {
    const before = down.get(event.pointerId)
    if (!before) return
    const now = { x: event.clientX, y: event.clientY }
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1]
    if (other) zoomBy(Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y)))
    else if (zoom.value > 1) place.value = { x: place.value.x + now.x - before.x, y: place.value.y + now.y - before.y }
    down.set(event.pointerId, now)
  }
  const onUp = (event: PointerEvent): void => void down.delete(event.pointerId)

  return { zoom, brightness, contrast, inverted, changed, style, zoomBy, reset, onDown, onMove, onUp }
}
