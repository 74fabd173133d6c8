        warp = cv2.getAffineTransform((corners - 0.5).astype(np.float32), target - np.float32(0.5))
        cut = cv2.warpAffine(rgb, warp, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cut.astype(np.float32) / np.float32(255))


