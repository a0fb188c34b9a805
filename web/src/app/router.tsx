import { createRootRoute, createRoute, createRouter, Outlet } from '@tanstack/react-router'
import { Empty } from '@/ui'
import { enterAhead } from './ahead'
import { routes } from './features'
import { Frame } from './Frame'
import { Gate } from './Gate'
import { Home } from './Home'
import { ScreenFault } from './ScreenFault'

const root = createRootRoute({
  component: Outlet,
  notFoundComponent: () => <Empty title="There is no such place" hint="The address leads nowhere in this system." />,
  errorComponent: ScreenFault,
})

const frame = createRoute({ getParentRoute: () => root, id: 'frame', component: Frame })
const home = createRoute({ getParentRoute: () => frame, path: '/', component: Home })

const inFrame = routes
  .filter((route) => (route.frame ?? 'rail') === 'rail')
  .map((route) =>
    createRoute({
      getParentRoute: () => frame,
      path: route.path,
      errorComponent: ScreenFault,
      component: () => <Gate route={route} />,
    }),
  )

const outside = routes
  .filter((route) => route.frame === 'bare' || route.frame === 'public')
  .map((route) =>
    createRoute({
      getParentRoute: () => root,
      path: route.path,
      errorComponent: ScreenFault,
      component: () => <Gate route={route} />,
    }),
  )

export const router = createRouter({
  routeTree: root.addChildren([frame.addChildren([home, ...inFrame]), ...outside]),
  defaultPreload: 'intent',
})
router.subscribe('onBeforeNavigate', ({ fromLocation, toLocation, pathChanged }) => {
  // What the page was loaded for is begun by its first script.
  if (fromLocation && pathChanged) enterAhead(toLocation.pathname)
})
