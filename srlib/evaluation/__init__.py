"""Measuring beyond PSNR and SSIM. Import from the modules by name; this file imports nothing."""
