import { Button, Checkbox, Modal, TextInput } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import { Form, Screen, Section, toast, useProblemForm, Wide, WorkList, type WorkColumn } from '@/ui'
import type { Site, SiteFields } from './types'

const COLUMNS: readonly WorkColumn<Site>[] = [
  { id: 'institution_name', label: 'Institution', value: (site) => site.institution_name, width: 200, grow: 2 },
  { id: 'code', label: 'Code', value: (site) => site.code, width: 100 },
  { id: 'city', label: 'City', value: (site) => [site.city, site.state].filter(Boolean).join(', '), width: 140, grow: 1 },
  { id: 'time_zone', label: 'Time zone', value: (site) => site.time_zone, width: 160, grow: 1 },
  { id: 'npi', label: 'NPI', value: (site) => site.npi, width: 110 },
]

const EMPTY: SiteFields = {
  code: '',
  institution_name: '',
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  address_line: null,
  city: null,
  state: null,
  postal_code: null,
  phone: null,
  npi: null,
  tax_id: null,
  place_of_service: '11',
  bills_global: true,
}

const keyOf = (site: Site) => String(site.site_pk)

/** Hospitals and imaging centres: letterhead, time zone, and what a claim says of the facility. */
export default function SitesScreen() {
  const { may } = useSession()
  const sites = useQuery({ queryKey: ['sites'], queryFn: () => http.get<Site[]>('/api/sites') })
  const [currentPk, setCurrentPk] = useState<number>()
  const [adding, setAdding] = useState(false)
  const current = sites.data?.find((site) => site.site_pk === currentPk)
  const mayWrite = may('config.write')
  return (
    <Screen
      title="Sites"
      actions={
        mayWrite ? (
          <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
            Add a site
          </Button>
        ) : null
      }
      inspectorLabel="The chosen site"
      inspectorHint="Choose a site to see and change its particulars."
      inspector={
        current ? (
          <Section title={current.institution_name}>
            <SiteForm key={current.site_pk} site={current} readOnly={!mayWrite} />
          </Section>
        ) : null
      }
    >
      <WorkList
        id="sites"
        noun="sites"
        rows={sites.data}
        rowKey={keyOf}
        columns={COLUMNS}
        onCurrent={(site) => setCurrentPk(site?.site_pk)}
        error={sites.error}
        onRetry={() => void sites.refetch()}
        empty={{ title: 'No site yet', hint: 'Orders, resources and claims each belong to a site. Add the first one.' }}
      />
      <Modal opened={adding} onClose={() => setAdding(false)} title="Add a site" size={640}>
        <SiteForm columns={2} onDone={() => setAdding(false)} />
      </Modal>
    </Screen>
  )
}

function SiteForm({
  site,
  columns = 1,
  readOnly = false,
  onDone,
}: {
  site?: Site
  columns?: 1 | 2
  readOnly?: boolean
  onDone?: () => void
}) {
  const client = useQueryClient()
  const initial: SiteFields = site ? fieldsOf(site) : EMPTY
  const form = useProblemForm<SiteFields>({ initialValues: withoutNull(initial) }, async (values) => {
    const body = withNull(values)
    if (site) await http.put(`/api/sites/${site.site_pk}`, body)
    else await http.post('/api/sites', body)
    await client.invalidateQueries({ queryKey: ['sites'] })
    toast('The site is saved.')
    onDone?.()
  })
  const field = (name: keyof SiteFields) => ({ ...form.form.getInputProps(name), readOnly })
  const fields = (
    <>
      <Wide>
        <TextInput label="Institution" {...field('institution_name')} />
      </Wide>
      <TextInput label="Code" description="Short, unique; part of accession numbers." {...field('code')} />
      <TextInput label="Time zone" description="An IANA name, such as America/Chicago." {...field('time_zone')} />
      <Wide>
        <TextInput label="Street" {...field('address_line')} />
      </Wide>
      <TextInput label="City" {...field('city')} />
      <TextInput label="State" maxLength={2} {...field('state')} />
      <TextInput label="Postal code" {...field('postal_code')} />
      <TextInput label="Phone" inputMode="tel" {...field('phone')} />
      <TextInput label="NPI" inputMode="numeric" maxLength={10} {...field('npi')} />
      <TextInput label="Tax ID" inputMode="numeric" maxLength={9} {...field('tax_id')} />
      <TextInput label="Place of service" maxLength={2} {...field('place_of_service')} />
      <Wide>
        <Checkbox
          label="Bills globally (owns the equipment and employs the readers)"
          disabled={readOnly}
          {...form.form.getInputProps('bills_global', { type: 'checkbox' })}
        />
      </Wide>
    </>
  )
  if (readOnly) return <div>{fields}</div>
  return (
    <Form of={form} submit={site ? 'Save the site' : 'Add the site'} columns={columns} onCancel={onDone}>
      {fields}
    </Form>
  )
}

function fieldsOf(site: Site): SiteFields {
  return Object.fromEntries(Object.entries(site).filter(([name]) => name !== 'site_pk')) as unknown as SiteFields
}

/** Inputs hold text; an empty text is "not given" to the server. */
function withoutNull(fields: SiteFields): SiteFields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value ?? ''])) as unknown as SiteFields
}

function withNull(fields: SiteFields): SiteFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value === '' ? null : value]),
  ) as unknown as SiteFields
}
