import { defineStore } from 'pinia'
import { ref } from 'vue'
import { reviewsApi, type ReviewCounts } from '@/api/reviews'

/** How many questions are open: the badge in the menu and the filters of the review page. */
export const useReviewCount = defineStore('reviewCount', () => {
  const counts = ref<ReviewCounts>({ open: 0, by_kind: {}, by_disease: {} })

  async function refresh(): Promise<void> {
    counts.value = await reviewsApi.counts()
  }

  return { counts, refresh }
})
