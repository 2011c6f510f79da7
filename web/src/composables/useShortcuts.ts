import { onBeforeUnmount, onMounted } from 'vue'

const WRITING = new Set(['INPUT', 'TEXTAREA', 'SELECT'])

/** One-key commands while the page is open; not while somebody writes in a field, nor with Ctrl, Alt or Meta. */
export function useShortcuts(act: (key: string) => boolean | void): void {
  function onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return
    const target = event.target as HTMLElement | null
    if (target && (WRITING.has(target.tagName) || target.isContentEditable)) return
    if (document.querySelector('.el-overlay:not([style*="display: none"]) [role="dialog"]')) return
    if (act(event.key)) event.preventDefault()
  }
  onMounted(() => window.addEventListener('keydown', onKey))
  onBeforeUnmount(() => window.removeEventListener('keydown', onKey))
}
