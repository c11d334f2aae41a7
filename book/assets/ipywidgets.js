// For pages with a view of ipywidgets: its modules lie on this site, and no other server is asked for any.
{
  const script = document.currentScript;
  const vendor = new URL("vendor/", script.src).href;
  script.dataset.jupyterWidgetsCdn = vendor; // where the manager would look for a module it does not know
  window.require.config({ paths: { anywidget: `${vendor}anywidget/index` } });
}
