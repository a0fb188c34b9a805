import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { http, type Page } from '@/lib/api'
import { load, save } from '@/lib/storage'
import type { Booking, Order, PatientRecord, Resource, Site } from './types'

/** The site that this desk works for: the last one chosen here, else the first. */
export function useSite(): { sites: readonly Site[]; site: Site | undefined; choose: (site_pk: number) => void; error: unknown } {
  const [chosen, setChosen] = useState(() => load<number | null>('desk:site', null))
  const sites = useQuery({ queryKey: ['sites'], queryFn: () => http.get<Page<Site>>('/api/orders/sites'), staleTime: 300_000 })
  const items = sites.data?.items ?? []
  return {
    sites: items,
    site: items.find((one) => one.site_pk === chosen) ?? items[0],
    choose: (site_pk) => {
      save('desk:site', site_pk)
      setChosen(site_pk)
    },
    error: sites.error,
  }
}

export function useResources() {
  return useQuery({ queryKey: ['resources'], queryFn: () => http.get<Resource[]>('/api/schedule/resources'), staleTime: 60_000 })
}

export function useDay(day: string | undefined, site_pk: number | undefined) {
  return useQuery({
    queryKey: ['day-board', day, site_pk],
    queryFn: ({ signal }) => http.get<Page<Booking>>(`/api/schedule/days/${day}`, { query: { site_pk }, signal }),
    enabled: day !== undefined && site_pk !== undefined,
  })
}

export function useRecord(patientPk: number | undefined) {
  return useQuery({
    queryKey: ['patient', patientPk],
    queryFn: () => http.get<PatientRecord>(`/api/patients/${patientPk}`),
    enabled: patientPk !== undefined,
  })
}

export function usePatientBookings(patientPk: number | undefined) {
  return useQuery({
    queryKey: ['patient', patientPk, 'bookings'],
    queryFn: () => http.get<Page<Booking>>(`/api/patients/${patientPk}/bookings`),
    enabled: patientPk !== undefined,
  })
}

export function useOrder(orderPk: number | undefined) {
  return useQuery({
    queryKey: ['order', orderPk],
    queryFn: () => http.get<Order>(`/api/orders/${orderPk}`),
    enabled: orderPk !== undefined,
  })
}

/** What changes a board, an order or a slot while somebody looks at it. */
export const SCHEDULE_EVENTS = ['appointment.changed', 'step.changed', 'order.changed', 'study.linked', 'patient.changed', 'patient.merged']
