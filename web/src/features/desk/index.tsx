import { IconCalendarClock, IconClipboardList } from '@tabler/icons-react'
import { http, type Page } from '@/lib/api'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'
import { formatPersonName } from '@/lib/personname'
import { looksLikeAccession } from './typed'
import type { OrderLine } from './types'

export const feature: Feature = {
  routes: [
    { path: '/desk', component: later(() => import('./DayScreen')), title: 'Day board', permission: 'schedule.read' },
    { path: '/desk/book', component: later(() => import('./BookScreen')), title: 'Book', permission: 'schedule.write' },
    { path: '/desk/book/$patientPk', component: later(() => import('./BookScreen')), title: 'Book', permission: 'schedule.write' },
    { path: '/desk/orders', component: later(() => import('./OrdersScreen')), title: 'To schedule', permission: 'schedule.read' },
    { path: '/orders/$orderPk', component: later(() => import('./OrderScreen')), title: 'Order', permission: 'order.read' },
  ],
  nav: [
    { label: 'Day board', to: '/desk', icon: IconCalendarClock, permission: 'schedule.write', roles: ['front_desk'], order: 0 },
    { label: 'To schedule', to: '/desk/orders', icon: IconClipboardList, permission: 'schedule.write', roles: ['front_desk'], order: 10 },
  ],
  search: [
    {
      id: 'orders',
      label: 'Orders',
      permission: 'order.read',
      search: async (text, signal) => {
        if (!looksLikeAccession(text)) return []
        const found = await http.post<Page<OrderLine>>('/api/orders/find', { text, limit: 8 }, { signal })
        return found.items.map(({ requested_procedure, imaging_service_request, bar }) => ({
          id: String(requested_procedure.requested_procedure_pk),
          label: `${imaging_service_request.accession_number} · ${formatPersonName(bar.patient_name)}`,
          description: requested_procedure.requested_procedure_description,
          to: `/orders/${imaging_service_request.imaging_service_request_pk}`,
        }))
      },
    },
  ],
  actions: [
    { id: 'book', label: 'Book an examination', to: '/desk/book', permission: 'schedule.write' },
    { id: 'walk-in', label: 'Walk-in now', to: '/desk/book?now=true', permission: 'schedule.write' },
    { id: 'register', label: 'Register a patient', to: '/desk/book?register=true', permission: 'schedule.write' },
    { id: 'unknown', label: 'Register an unknown emergency patient', to: '/desk/book?register=%22unknown%22&now=true', permission: 'schedule.write' },
    { id: 'to-schedule', label: 'Orders to schedule', to: '/desk/orders', permission: 'schedule.write' },
  ],
}
