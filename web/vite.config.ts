import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// The console's own API during `npm run dev`; the built files are served by the console itself.
const api = process.env['PARAPET_CONSOLE_URL'] ?? 'http://127.0.0.1:9090';

export default defineConfig({
  plugins: [react()],
  server: {
    port: 5173,
    proxy: { '/api': { target: api } },
  },
  build: {
    target: 'es2022',
    // Everything is a file of its own: the content security policy allows no data: scripts or styles.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      output: {
        // ECharts and React change rarely: their own files stay cached across releases.
        codeSplitting: {
          groups: [
            { name: 'charts', test: /node_modules[\\/](echarts|zrender|tslib)[\\/]/, priority: 2 },
            { name: 'react', test: /node_modules[\\/](react|react-dom|scheduler|react-router)[\\/]/, priority: 1 },
          ],
        },
      },
    },
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
  },
});
