import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import type { Permission } from '@/api/session'
import { useSession } from '@/stores/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Open without a session. */
    open?: boolean
    /** What the session must allow, else the page says who can help. */
    needs?: Permission
    /** Holds work that is not sent yet: when the session ends, one signs in again over the page. */
    keeps?: boolean
    /** Key of the title in the locale files. */
    title: string
  }
}

export const routes: RouteRecordRaw[] = [
  { path: '/sign-in', component: () => import('@/pages/SignInPage.vue'), meta: { open: true, title: 'signIn.title' } },
  { path: '/', component: () => import('@/pages/HomePage.vue'), meta: { title: 'home.title' } },
  { path: '/imports', component: () => import('@/pages/ImportsPage.vue'), meta: { needs: 'import', title: 'imports.title' } },
  { path: '/imports/new', component: () => import('@/pages/ImportNewPage.vue'), meta: { needs: 'import', keeps: true, title: 'importNew.title' } },
  { path: '/imports/:importKey', component: () => import('@/pages/ImportPage.vue'), props: true, meta: { needs: 'import', title: 'imports.one' } },
  { path: '/diseases/:code', component: () => import('@/pages/CasesPage.vue'), props: true, meta: { needs: 'read_catalog', title: 'cases.title' } },
  { path: '/cases/:caseKey', component: () => import('@/pages/CasePage.vue'), props: true, meta: { needs: 'read_catalog', keeps: true, title: 'cases.one' } },
  { path: '/cases/:caseKey/images', component: () => import('@/pages/ImagesPage.vue'), props: true, meta: { needs: 'read_catalog', title: 'desk.page' } },
  { path: '/cases/:caseKey/explain', component: () => import('@/pages/ExplainPage.vue'), props: true, meta: { needs: 'read_catalog', title: 'explain.title' } },
  { path: '/review', component: () => import('@/pages/ReviewPage.vue'), meta: { needs: 'review', keeps: true, title: 'review.title' } },
  { path: '/agreement', component: () => import('@/pages/AgreementPage.vue'), meta: { needs: 'review', title: 'agreed.title' } },
  { path: '/rules', component: () => import('@/pages/RulesPage.vue'), meta: { needs: 'configure', keeps: true, title: 'rules.title' } },
  { path: '/datasets', component: () => import('@/pages/DatasetsPage.vue'), meta: { needs: 'read_catalog', title: 'datasets.title' } },
  { path: '/datasets/new', component: () => import('@/pages/DatasetNewPage.vue'), meta: { needs: 'freeze', keeps: true, title: 'datasetNew.title' } },
  { path: '/datasets/:name', component: () => import('@/pages/DatasetPage.vue'), props: true, meta: { needs: 'read_catalog', title: 'datasets.one' } },
  {
    path: '/datasets/:name/:number(\\d+)',
    component: () => import('@/pages/DatasetVersionPage.vue'),
    props: (route) => ({ name: String(route.params.name), number: Number(route.params.number) }),
    meta: { needs: 'read_catalog', title: 'datasets.version' },
  },
  { path: '/statistics', component: () => import('@/pages/StatisticsPage.vue'), meta: { needs: 'read_catalog', title: 'statistics.title' } },
  { path: '/servers', component: () => import('@/pages/ServersPage.vue'), meta: { needs: 'servers', title: 'servers.title' } },
  { path: '/administration', component: () => import('@/pages/AdministrationPage.vue'), meta: { needs: 'configure', keeps: true, title: 'administration.title' } },
  { path: '/profile', component: () => import('@/pages/ProfilePage.vue'), meta: { title: 'profile.title' } },
  { path: '/:rest(.*)*', component: () => import('@/pages/NotFoundPage.vue'), meta: { title: 'notFound.title' } },
]

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

/** Ask for the code of an address's page now; the router finds it there when it comes to it. */
export function ahead(path: string): void {
  for (const match of router.resolve(path).matched) {
    const load = match.components?.default as (() => Promise<unknown>) | undefined
    load?.().catch(() => undefined) // the router asks again, and says what is wrong
  }
}

router.beforeEach(async (to) => {
  const session = useSession()
  try {
    await session.read()
  } catch {
    // the server does not answer: the sign-in page says so when it is tried, and the next page asks again
  }
  if (!to.meta.open && !session.signedIn) return { path: '/sign-in', query: to.fullPath === '/' ? {} : { back: to.fullPath } }
  if (to.path === '/sign-in' && session.signedIn) return '/'
  return true
})
