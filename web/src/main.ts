import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from '@/App.vue'
import { onSignedOut } from '@/api/http'
import { i18n, preferredLanguage, setLanguage } from '@/locales'
import { ahead, router } from '@/router'
import { useSession } from '@/stores/session'
import 'element-plus/theme-chalk/base.css'
import '@/styles/tokens.css'
import '@/styles/element.css'
import '@/styles/base.css'
import '@/styles/parts.css'

// Words, session and the page's own code come at the same time, not one after another; who needs one of them waits for that one.
const pinia = createPinia()
const session = useSession(pinia)
const words = setLanguage(preferredLanguage())
session.read().catch(() => undefined)
ahead(window.location.pathname)

onSignedOut(() => {
  if (!session.signedIn) return
  if (router.currentRoute.value.meta.keeps) {
    session.ended = true
    return
  }
  session.forget()
  void router.push({ path: '/sign-in', query: { back: router.currentRoute.value.fullPath, ended: '1' } })
})

// Not `await` at the top: the words' own file imports from the one this is built into, and each would wait for the other.
void words.then(() => createApp(App).use(pinia).use(i18n).use(router).mount('#app'))
