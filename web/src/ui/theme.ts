import {
  ActionIcon,
  Badge,
  Button,
  Checkbox,
  createTheme,
  Input,
  InputWrapper,
  Menu,
  Modal,
  Paper,
  PasswordInput,
  Popover,
  SegmentedControl,
  Table,
  Tabs,
  Tooltip,
  type CSSVariablesResolver,
  type MantineColorsTuple,
} from '@mantine/core'
import classes from './theme.module.css'

// Mantine wants ten shades a colour; ours are a few tokens that follow the room's light.
const family = (name: string): MantineColorsTuple => [
  `var(--${name}-tint)`,
  `var(--${name}-tint)`,
  `var(--${name}-tint)`,
  `var(--${name})`,
  `var(--${name})`,
  `var(--${name})`,
  `var(--${name})`,
  `var(--${name}-text)`,
  `var(--${name}-text)`,
  `var(--${name}-text)`,
]

const FAMILIES = ['accent', 'urgent', 'danger', 'safe'] as const

export const theme = createTheme({
  fontFamily: 'var(--font)',
  fontFamilyMonospace: 'var(--font)',
  headings: { fontFamily: 'var(--font)', fontWeight: '600' },
  primaryColor: 'accent',
  colors: Object.fromEntries(FAMILIES.map((name) => [name, family(name)])),
  defaultRadius: 'var(--radius)',
  cursorType: 'pointer',
  focusRing: 'auto',
  fontSizes: { xs: '12px', sm: '13px', md: '15px', lg: '17px', xl: '22px' },
  lineHeights: { xs: '1.35', sm: '1.4', md: '1.5', lg: '1.4', xl: '1.3' },
  spacing: { xs: '4px', sm: '8px', md: '12px', lg: '16px', xl: '24px' },
  radius: { xs: '2px', sm: '4px', md: '4px', lg: '6px', xl: '8px' },
  shadows: { xs: 'none', sm: 'none', md: 'var(--lift)', lg: 'var(--lift)', xl: 'var(--lift)' },
  respectReducedMotion: true,
  components: {
    Button: Button.extend({
      defaultProps: { size: 'sm' },
      classNames: { root: classes['button'] },
      vars: (_theme, { variant = 'filled' }) => ({
        root: {
          '--button-height': 'var(--control)',
          '--button-padding-x': '12px',
          '--button-fz': 'var(--text-list)',
          ...(variant === 'filled' ? { '--button-color': 'var(--on-accent)' } : {}),
        },
      }),
    }),
    ActionIcon: ActionIcon.extend({
      defaultProps: { variant: 'subtle', color: 'gray' },
      classNames: { root: classes['icon'] },
      vars: () => ({ root: { '--ai-size': 'var(--control)' } }),
    }),
    Input: Input.extend({
      classNames: { input: classes['input'] },
      vars: () => ({ wrapper: { '--input-height': 'var(--control)', '--input-fz': 'var(--text-form)' } }),
    }),
    InputWrapper: InputWrapper.extend({
      defaultProps: { inputWrapperOrder: ['label', 'input', 'error', 'description'] },
      classNames: { label: classes['label'], error: classes['error'], description: classes['description'] },
    }),
    Checkbox: Checkbox.extend({ defaultProps: { size: 'sm' } }),
    PasswordInput: PasswordInput.extend({
      defaultProps: { visibilityToggleButtonProps: { 'aria-label': 'Show what is typed' } },
    }),
    Paper: Paper.extend({ classNames: { root: classes['paper'] } }),
    Modal: Modal.extend({
      defaultProps: {
        centered: true,
        closeButtonProps: { 'aria-label': 'Close' },
        overlayProps: { backgroundOpacity: 1, color: 'var(--veil)' },
        transitionProps: { duration: 0 },
      },
      classNames: { content: classes['modal'], header: classes['modalHeader'], title: classes['modalTitle'] },
    }),
    Menu: Menu.extend({
      defaultProps: { transitionProps: { duration: 0 }, shadow: 'md' },
      classNames: { dropdown: classes['dropdown'], item: classes['menuItem'] },
    }),
    Popover: Popover.extend({
      defaultProps: { transitionProps: { duration: 0 }, shadow: 'md' },
      classNames: { dropdown: classes['dropdown'] },
    }),
    Tooltip: Tooltip.extend({
      defaultProps: { transitionProps: { duration: 0 }, openDelay: 350, withArrow: false },
      classNames: { tooltip: classes['tooltip'] },
    }),
    SegmentedControl: SegmentedControl.extend({
      defaultProps: { size: 'sm', transitionDuration: 0 },
      classNames: { root: classes['segments'], indicator: classes['segment'], label: classes['segmentLabel'] },
    }),
    Tabs: Tabs.extend({ classNames: { tab: classes['tab'], list: classes['tabList'] } }),
    Badge: Badge.extend({ defaultProps: { radius: 'sm', variant: 'light' }, classNames: { root: classes['badge'] } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: 6, horizontalSpacing: 12 }, classNames: { th: classes['th'] } }),
  },
})

/** Makes Mantine speak in our tokens, so that no component of it can show a colour of its own. */
export const cssVariablesResolver: CSSVariablesResolver = () => {
  const variables: Record<string, string> = {
    '--mantine-color-body': 'var(--sheet)',
    '--mantine-color-text': 'var(--ink)',
    '--mantine-color-bright': 'var(--ink)',
    '--mantine-color-dimmed': 'var(--ink-2)',
    '--mantine-color-anchor': 'var(--accent-text)',
    '--mantine-color-error': 'var(--danger-text)',
    '--mantine-color-placeholder': 'var(--ink-3)',
    '--mantine-color-default': 'var(--sheet)',
    '--mantine-color-default-hover': 'var(--sheet-2)',
    '--mantine-color-default-color': 'var(--ink)',
    '--mantine-color-default-border': 'var(--line-strong)',
    '--mantine-color-disabled': 'var(--sheet-3)',
    '--mantine-color-disabled-color': 'var(--ink-3)',
    '--mantine-color-disabled-border': 'var(--line)',
    '--mantine-primary-color-contrast': 'var(--on-accent)',
    '--mantine-color-gray-filled': 'var(--ink-2)',
    '--mantine-color-gray-light': 'var(--quiet-tint)',
    '--mantine-color-gray-light-hover': 'var(--sheet-3)',
    '--mantine-color-gray-light-color': 'var(--ink)',
    '--mantine-color-gray-text': 'var(--ink-2)',
    '--mantine-color-gray-outline': 'var(--line-strong)',
  }
  for (const shade of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    const token = shade < 2 ? '--sheet-2' : shade < 4 ? '--line' : shade < 7 ? '--line-strong' : '--ink-2'
    variables[`--mantine-color-gray-${shade}`] = `var(${token})`
    const dark = ['--ink', '--ink-2', '--ink-3', '--line-strong', '--line-strong', '--sheet-3', '--sheet-2', '--sheet', '--ground', '--ground']
    variables[`--mantine-color-dark-${shade}`] = `var(${dark[shade] ?? '--ground'})`
  }
  for (const name of FAMILIES) {
    variables[`--mantine-color-${name}-filled`] = `var(--${name})`
    variables[`--mantine-color-${name}-filled-hover`] = name === 'accent' ? 'var(--accent-hover)' : `var(--${name})`
    variables[`--mantine-color-${name}-light`] = `var(--${name}-tint)`
    variables[`--mantine-color-${name}-light-hover`] = `var(--${name}-tint)`
    variables[`--mantine-color-${name}-light-color`] = `var(--${name}-text)`
    variables[`--mantine-color-${name}-outline`] = `var(--${name})`
    variables[`--mantine-color-${name}-outline-hover`] = `var(--${name}-tint)`
    variables[`--mantine-color-${name}-text`] = `var(--${name}-text)`
  }
  // The same variables in both schemes: the tokens themselves change with the light.
  return { variables: {}, light: variables, dark: variables }
}
