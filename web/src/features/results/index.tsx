import { IconReportMedical } from '@tabler/icons-react'
import { http } from '@/lib/api'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'
import { formatPersonName } from '@/lib/personname'
import type { ResultPage } from './types'

export const feature: Feature = {
  routes: [
    { path: '/results', component: later(() => import('./ResultsScreen')), title: 'My patients', permission: 'result.read' },
    {
      path: '/results/$studyPk/images',
      component: later(() => import('./ImagesScreen')),
      title: 'Images',
      permission: 'result.read',
      frame: 'bare',
      light: 'reading',
    },
  ],
  nav: [
    { label: 'Patients', to: '/results', icon: IconReportMedical, permission: 'result.read', roles: ['referrer'], order: 0 },
  ],
  search: [
    {
      id: 'results',
      label: 'My patients',
      permission: 'result.read',
      search: async (text, signal) => {
        const found = await http.post<ResultPage>('/api/results/find', { text, limit: 8 }, { signal })
        return found.items.map((one) => ({
          id: String(one.requested_procedure_pk),
          label: `${formatPersonName(one.patient.patient_name)} · ${one.requested_procedure_description}`,
          description: one.accession_number,
          to: `/results?result=${one.requested_procedure_pk}`,
        }))
      },
    },
  ],
}
