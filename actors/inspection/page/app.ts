import { html, render } from 'lit-html';

render(html`<h1>Collector</h1>`, document.getElementById('app')!);
