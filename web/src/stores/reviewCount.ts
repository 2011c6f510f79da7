import { defineStore } from 'pinia'
import { ref } from 'vue'
import { reviewsApi, type ReviewCounts } from '@/api/reviews'

/** How many questions are open: the badge in the menu and the filters of the review page. */
export const useReviewCount = defineStore('reviewCount', () => {
  const counts = ref<ReviewCounts>({ open: 0, by_kind: {}, by_disease: {} })

  let reading: Promise<void> | null = null

  async function refresh(): Promise<void> {
    counts.value = await reviewsApi.counts()
  }

  /** As refresh, but who asks while an answer is under way (the menu and the home page ask at once) waits for that one. */
  function read(): Promise<void> {
    reading ??= refresh().finally(() => {
      reading = null
    })
    return reading
  }

  return { counts, read, refresh }
})
