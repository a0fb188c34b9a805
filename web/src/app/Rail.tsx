import { Menu, UnstyledButton } from '@mantine/core'
import { IconDots, IconKeyboard, IconLogout, IconSearch, IconUserCircle } from '@tabler/icons-react'
import { Link, useLocation, useNavigate } from '@tanstack/react-router'
import { useActor, useSession } from '@/lib/api'
import type { FeatureNav } from '@/lib/feature'
import { showKeys } from '@/lib/keys'
import { ROLE_LABEL } from '@/lib/permissions'
import { Mark, toastProblem, useLight, type LightChoice } from '@/ui'
import { navFor } from './features'
import { Notices } from './Notices'
import classes from './Rail.module.css'

const LIGHTS: { value: LightChoice; label: string }[] = [
  { value: 'by-screen', label: 'As each screen is made for' },
  { value: 'desk', label: 'Desk (light)' },
  { value: 'reading', label: 'Reading (dark)' },
]
const PHONE_PLACES = 4

/** The few places of this role, what finds everything else, and who is signed in. On a phone it lies at the bottom. */
export function Rail({ onFind, onKeys }: { onFind: () => void; onKeys: () => void }) {
  const actor = useActor()
  const { signOut } = useSession()
  const { choice, choose } = useLight()
  const navigate = useNavigate()
  const { pathname } = useLocation()
  const places = navFor(actor)
  const here = places
    .flatMap((place) => [place.to, ...(place.also ?? [])].map((to) => ({ place, to })))
    .filter(({ to }) => pathname === to || pathname.startsWith(`${to}/`))
    .sort((one, other) => other.to.length - one.to.length)[0]?.place
  const initials = actor.display_name
    .split(/\s+/)
    .map((word) => word.charAt(0))
    .slice(0, 2)
    .join('')
    .toUpperCase()

  const place = (entry: FeatureNav, index: number) => (
    <Link
      key={entry.to}
      to={entry.to}
      className={classes['place']}
      data-here={entry === here || undefined}
      data-beyond={index >= PHONE_PLACES || undefined}
      aria-current={entry === here ? 'page' : undefined}
    >
      <entry.icon size={20} stroke={1.6} aria-hidden />
      <span>{entry.label}</span>
    </Link>
  )

  return (
    <nav className={classes['rail']} aria-label="Places">
      <Link to="/" className={classes['mark']} aria-label="Wetread, to my home">
        <Mark size={28} />
      </Link>
      <UnstyledButton className={classes['place']} onClick={onFind} title={`Find anything (${showKeys('Mod+K')})`}>
        <IconSearch size={20} stroke={1.6} aria-hidden />
        <span>Find</span>
      </UnstyledButton>
      <div className={classes['places']}>{places.map(place)}</div>
      {places.length > PHONE_PLACES ? (
        <Menu position="top-end">
          <Menu.Target>
            <UnstyledButton className={[classes['place'], classes['more']].join(' ')}>
              <IconDots size={20} aria-hidden />
              <span>More</span>
            </UnstyledButton>
          </Menu.Target>
          <Menu.Dropdown>
            {places.slice(PHONE_PLACES).map((entry) => (
              <Menu.Item key={entry.to} leftSection={<entry.icon size={18} />} onClick={() => void navigate({ to: entry.to })}>
                {entry.label}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      ) : null}
      <div className={classes['foot']}>
        <Notices />
        <UnstyledButton className={[classes['place'], classes['keys']].join(' ')} onClick={onKeys} title="Keys of this screen (?)">
          <IconKeyboard size={20} stroke={1.6} aria-hidden />
          <span>Keys</span>
        </UnstyledButton>
        <Menu position="right-end" width={260}>
          <Menu.Target>
            <UnstyledButton className={classes['me']} aria-label={`${actor.display_name}: account and light`}>
              {initials}
            </UnstyledButton>
          </Menu.Target>
          <Menu.Dropdown>
            <div className={classes['who']}>
              <strong>{actor.display_name}</strong>
              <span>{actor.roles.map((role) => ROLE_LABEL[role]).join(', ')}</span>
            </div>
            <Menu.Divider />
            <Menu.Label>Light</Menu.Label>
            <Menu.RadioGroup value={choice} onChange={(value) => choose(value as LightChoice)}>
              {LIGHTS.map((entry) => (
                <Menu.RadioItem key={entry.value} value={entry.value}>
                  {entry.label}
                </Menu.RadioItem>
              ))}
            </Menu.RadioGroup>
            <Menu.Divider />
            <Menu.Item leftSection={<IconUserCircle size={16} />} onClick={() => void navigate({ to: '/account' })}>
              My account
            </Menu.Item>
            <Menu.Item
              leftSection={<IconLogout size={16} />}
              onClick={() => {
                signOut().catch((error: unknown) => toastProblem(error, 'You are still signed in'))
              }}
            >
              Sign out
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
    </nav>
  )
}
