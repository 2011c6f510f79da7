import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from '@/App.vue'
import { onSignedOut } from '@/api/http'
import { i18n, preferredLanguage, setLanguage } from '@/locales'
import { router } from '@/router'
import { useSession } from '@/stores/session'
import 'element-plus/theme-chalk/base.css'
import '@/styles/tokens.css'
import '@/styles/element.css'
import '@/styles/base.css'
import '@/styles/parts.css'

await setLanguage(preferredLanguage())

const app = createApp(App).use(createPinia()).use(i18n).use(router)

onSignedOut(() => {
  const session = useSession()
  if (!session.signedIn) return
  if (router.currentRoute.value.meta.keeps) {
    session.ended = true
    return
  }
  session.forget()
  void router.push({ path: '/sign-in', query: { back: router.currentRoute.value.fullPath, ended: '1' } })
})

app.mount('#app')
