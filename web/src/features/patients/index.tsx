import { IconUsers } from '@tabler/icons-react'
import { http, type Page } from '@/lib/api'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate, formatPersonAge } from '@/lib/time'
import type { FoundPatient } from './types'

const SEX: Record<string, string> = { M: 'male', F: 'female', O: 'other' }

export const feature: Feature = {
  routes: [
    { path: '/patients', component: later(() => import('./FindScreen')), title: 'Patients', permission: 'patient.read' },
    { path: '/patients/$patientPk', component: later(() => import('./PatientScreen')), title: 'Patient', permission: 'patient.read' },
  ],
  nav: [{ label: 'Patients', to: '/patients', icon: IconUsers, permission: 'patient.write', roles: ['front_desk'], order: 11 }],
  search: [
    {
      id: 'patients',
      label: 'Patients',
      permission: 'patient.read',
      search: async (text, signal) => {
        const found = await http.post<Page<FoundPatient>>('/api/patients/find', { text, limit: 8 }, { signal })
        return found.items.map(({ bar, city }) => ({
          id: String(bar.patient_pk),
          label: formatPersonName(bar.patient_name),
          description: [
            SEX[bar.patient_sex ?? ''],
            bar.patient_birth_date ? `${formatPersonAge(bar.patient_birth_date)}, born ${formatDicomDate(bar.patient_birth_date)}` : undefined,
            bar.patient_id,
            city,
          ]
            .filter(Boolean)
            .join(' · '),
          to: `/patients/${bar.patient_pk}`,
        }))
      },
    },
  ],
}
