import { Link } from 'react-router';
import { Notice } from '../ui/Notice';
import { Page } from '../ui/Page';

export function NotFoundPage() {
  return (
    <Page title="Not found">
      <Notice title="There is no such page">
        The address may be mistyped. The <Link to="/overview">overview</Link> leads everywhere.
      </Notice>
    </Page>
  );
}
