-- What `vim.lsp.enable("missions")` starts; the plugin itself starts the same client on first use.
return require("missions.client").config()
