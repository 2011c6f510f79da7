import { defineStore } from 'pinia'
import { ref } from 'vue'
import { catalogApi, type Disease, type Scheme } from '@/api/catalog'

/** The diseases this account sees, with their label schemes; read once, again after an import. */
export const useDiseases = defineStore('diseases', () => {
  const all = ref<Disease[]>([])
  let reading: Promise<void> | null = null

  function load(again = false): Promise<void> {
    if (again || !reading) {
      reading = catalogApi.diseases().then((page) => {
        all.value = page.items
      })
      reading.catch(() => {
        reading = null
      })
    }
    return reading
  }

  const find = (code: string | null | undefined): Disease | undefined => all.value.find((one) => one.code === code)

  /** A scheme by its code, with or without its number ("malignancy", "malignancy@1"). */
  function scheme(disease: string | null | undefined, code?: string | null): Scheme | undefined {
    const schemes = find(disease)?.schemes ?? []
    if (!code) return schemes[0]
    return schemes.find((one) => one.code === code || `${one.code}@${one.number}` === code)
  }

  function forget(): void {
    all.value = []
    reading = null
  }

  return { all, load, find, scheme, forget }
})
