import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { statisticsApi, type Alert } from '@/api/statistics'
import { tell } from '@/composables/tell'

const AGAIN_MS = 10_000

/** Alerts that are open now, pushed by the server to every open page; a new one comes up as a notice. */
export const useAlerts = defineStore('alerts', () => {
  const open = shallowRef<Alert[]>([])
  /** The server tells us by itself. */
  const live = ref(false)
  /** Those that nobody has seen and no silence covers: the badge in the menu. */
  const unseen = computed(() => open.value.filter((one) => !one.acknowledged_by && !one.silenced_until))
  let events: EventSource | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let known: Set<number> | null = null

  function take(alerts: Alert[]): void {
    const before = known
    open.value = alerts
    known = new Set(alerts.map((one) => one.id))
    if (before === null) return
    for (const one of unseen.value) if (!before.has(one.id)) tell.alert(one.summary || one.name)
  }

  function close(): void {
    events?.close()
    events = null
    clearTimeout(timer)
    live.value = false
  }

  function listen(): void {
    close()
    events = new EventSource(statisticsApi.alertEventsUrl)
    events.addEventListener('alerts', (event) => {
      take((JSON.parse((event as MessageEvent<string>).data) as { open: Alert[] }).open)
      live.value = true
    })
    events.addEventListener('error', () => {
      close()
      timer = setTimeout(listen, AGAIN_MS)
    })
  }

  function forget(): void {
    close()
    open.value = []
    known = null
  }

  return { open, unseen, live, listen, forget }
})
